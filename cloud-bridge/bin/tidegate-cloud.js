#!/usr/bin/env node
// Plain old JavaScript: a Node that is too old has to get as far as the line below.
var found = process.versions.node.split('.').map(Number);
// SQLite's binding is built on Node-API 10; on a Node that lacks it the process would die without a word.
if (found[0] < 22 || (found[0] === 22 && found[1] < 14) || (found[0] === 23 && found[1] < 6)) {
  process.stderr.write(
    'tidegate-cloud: needs Node.js 22.14 or newer, found ' + process.versions.node + ' (' + process.execPath + ')\n',
  );
  process.exitCode = 1;
} else {
  import('../dist/cli.js').then(
    function (cli) {
      return cli.runCli(process.argv.slice(2)).then(function (code) {
        process.exit(code);
      });
    },
    function (error) {
      var unbuilt = error && error.code === 'ERR_MODULE_NOT_FOUND' && /dist.cli\.js/.test(String(error.message));
      if (!unbuilt) throw error;
      process.stderr.write('tidegate-cloud: is not built yet; run: npm run build\n');
      process.exitCode = 1;
    },
  );
}
