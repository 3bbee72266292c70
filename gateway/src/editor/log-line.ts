/** What Node-RED hands to a log handler. */
export interface LogMessage {
  level: number;
  msg: unknown;
  type?: string;
  name?: string;
  id?: string;
}

const LEVELS: Readonly<Record<number, string>> = { 10: 'fatal', 20: 'error', 30: 'warning', 40: 'info' };

/** One line for a message of Node-RED's log: `editor: warning: [tide-ingest:pumps] …`. */
export function logLine({ level, msg, type, name, id }: LogMessage): string {
  const node = type === undefined ? '' : `[${type}:${name || id || '?'}] `;
  return `editor: ${LEVELS[level] ?? level}: ${node}${textOf(msg)}`.replaceAll(/\s*\n\s*/g, ' ').slice(0, 2_000);
}

/** Whether a message tells anybody something: rulers do not, nor that a gateway without node credentials has none. */
export function isWorthALine({ msg }: LogMessage): boolean {
  return typeof msg !== 'string' || !/^(-+|Encrypted credentials not found)$/.test(msg);
}

function textOf(msg: unknown): string {
  if (typeof msg === 'string') return msg;
  if (msg instanceof Error) return msg.message;
  if (typeof msg === 'object' && msg !== null && 'message' in msg) return String(msg.message);
  return JSON.stringify(msg) ?? 'nothing';
}
