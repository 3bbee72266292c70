#!/usr/bin/env node
// Plain old JavaScript: a Node that is too old has to get as far as the line below.
var found = process.versions.node.split('.').map(Number);
if (found[0] < 22 || (found[0] === 22 && found[1] < 9)) {
  process.stderr.write(
    'tidegate: needs Node.js 22.9 or newer, found ' + process.versions.node + ' (' + process.execPath + ')\n',
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
