import { TideError } from '@tidegate/nodes/node';

import { codeOf } from './error-code.ts';

/** Why a port could not be opened, in words: TideError `port-in-use`, `port-refused` or `no-such-host`. */
export function listenError(error: Error, host: string, port: number): Error {
  const cause = { cause: error };
  switch (codeOf(error)) {
    case 'EADDRINUSE':
      return new TideError('port-in-use', `${host}:${port} is in use by another program`, cause);
    case 'EACCES':
      return new TideError(
        'port-refused',
        `this user may not open port ${port}: ports below 1024 need a privilege`,
        cause,
      );
    case 'EADDRNOTAVAIL':
    case 'ENOTFOUND':
      return new TideError('no-such-host', `this machine has no address ${host}`, cause);
    default:
      return error;
  }
}
