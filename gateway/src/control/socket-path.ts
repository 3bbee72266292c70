import { createHash } from 'node:crypto';
import path from 'node:path';

/** Longest path of a Unix socket: `sun_path` has 108 bytes on Linux and 104 elsewhere, with a closing zero. */
const MAX_SOCKET_PATH = 103;

/** Where a gateway's control socket lies: in its directory, or below `temporary` when that path would be too long. */
export function socketPath(directory: string, temporary: string, platform: string): string {
  const resolved = path.resolve(directory);
  const name = createHash('sha256').update(resolved).digest('hex').slice(0, 16);
  if (platform === 'win32') return `\\\\.\\pipe\\tidegate-${name}`;
  const inside = path.join(resolved, 'run', 'control.sock');
  return Buffer.byteLength(inside) <= MAX_SOCKET_PATH
    ? inside
    : path.join(temporary, `tidegate-${name}`, 'control.sock');
}
