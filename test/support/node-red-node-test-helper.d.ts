/** The package publishes no types; a test declares what it uses of it. */
declare module 'node-red-node-test-helper';
