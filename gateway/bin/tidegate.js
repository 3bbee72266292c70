#!/usr/bin/env node
// Plain old JavaScript: a Node that is too old has to get as far as the line below.
var found = process.versions.node.split('.').map(Number);
// SQLite's binding is built on Node-API 10; on a Node that lacks it the process would die without a word.
if (found[0] < 22 || (found[0] === 22 && found[1] < 14) || (found[0] === 23 && found[1] < 6)) {
  process.stderr.write(
    'tidegate: needs Node.js 22.14 or newer, found ' + process.versions.node + ' (' + process.execPath + ')\n',
  );
  process.exitCode = 1;
} else {
  import('../dist/main.js').catch(function (error) {
    var missing = error && error.code === 'ERR_MODULE_NOT_FOUND' && /dist.main\.js/.test(String(error.message));
    process.stderr.write(
      'tidegate: ' + (missing ? 'is not built yet; run: npm run build' : (error && error.stack) || error) + '\n',
    );
    process.exitCode = 1;
  });
}
