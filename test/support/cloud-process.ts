/** `tidegate-cloud` from its sources: what the program of the package does with its built files. */
import { runCli } from '../../cloud-bridge/src/cli.ts';

process.exit(await runCli(process.argv.slice(2)));
