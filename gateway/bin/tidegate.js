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
  if (process.argv[2] === 'run') startLean();
  import('../dist/main.js').catch(function (error) {
    var missing = error && error.code === 'ERR_MODULE_NOT_FOUND' && /dist.main\.js/.test(String(error.message));
    process.stderr.write(
      'tidegate: ' + (missing ? 'is not built yet; run: npm run build' : (error && error.stack) || error) + '\n',
    );
    process.exitCode = 1;
  });
}

/**
 * Lets a gateway that runs take less memory (docs/gateway.md, Memory). The size of V8's young generation and how glibc
 * keeps what was freed count only at the start of a process: it is replaced by itself, once, where Node can do that (22.15
 * and newer, not on Windows). Whoever has chosen a size with NODE_OPTIONS or on the command line keeps it.
 */
function startLean() {
  var v8 = process.getBuiltinModule('node:v8');
  // Read at each collection, and passed over by a V8 that does not know them.
  v8.setFlagsFromString('--heap-growing-percent=40');
  v8.setFlagsFromString('--no-parallel-scavenge');
  var size = '--max-semi-space-size';
  if (process.execArgv.indexOf(size + '=16') !== -1) {
    // Read by the vault's thread when it begins: what it makes is small and short-lived.
    v8.setFlagsFromString(size + '=1');
    return;
  }
  var chosen =
    process.execArgv
      .concat(process.env.NODE_OPTIONS || '')
      .join(' ')
      .indexOf('semi-space-size') !== -1;
  if (chosen || typeof process.execve !== 'function' || !process.allowedNodeEnvironmentFlags.has(size)) return;
  process.execve(
    process.execPath,
    [process.execPath].concat(process.execArgv, size + '=16', process.argv.slice(1)),
    Object.assign(
      // One arena, and thresholds that do not grow: what was taken while readings are read again goes back to the system.
      { MALLOC_ARENA_MAX: '1', MALLOC_MMAP_THRESHOLD_: '32768', MALLOC_TRIM_THRESHOLD_: '131072' },
      process.env,
    ),
  );
}
