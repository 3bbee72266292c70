import type { Security } from '@tidegate/nodes/sync';
import { spanText, vaultWarnings } from '@tidegate/nodes/vault';

import type { GatewayStatus } from './status.ts';

const grouped = (count: number): string => count.toLocaleString('en-US');
const counted = (count: number, what: string): string => `${grouped(count)} ${what}${count === 1 ? '' : 's'}`;

/** `1.4 MB` */
export function bytesText(bytes: number): string {
  for (const [unit, size] of [
    ['GB', 1e9],
    ['MB', 1e6],
    ['kB', 1e3],
  ] as const)
    if (bytes >= size) return `${(bytes / size).toFixed(1)} ${unit}`;
  return `${bytes} bytes`;
}

/** A status for people, one fact in a line. */
export function statusText(status: GatewayStatus, now: number): string {
  const { process: running, vault, bridge, enrolled, grants } = status;
  const facts: [string, string][] = [['gateway', `${status.name}, ${status.running ? 'running' : 'not running'}`]];
  if (running !== undefined) {
    facts.push(
      ['since', `${new Date(running.startedAt).toISOString()} (${duration(now - running.startedAt)})`],
      ['editor', running.editor],
      ['flows', running.flows],
      ['broker', `${[running.broker, ...secureOf(running)].join(' and ')}, ${counted(running.clients, 'client')}`],
      [
        'taking in',
        `${grouped(running.readingsPerSecond)} readings/s, ${grouped(running.messages)} messages since the start`,
      ],
      [
        'rejected',
        `${grouped(running.rejected)} messages since the start, ${grouped(vault.quarantined)} kept to look at`,
      ],
    );
    if (running.metrics !== null) facts.push(['metrics', `${running.metrics}/metrics`]);
    if (running.cut + running.refused > 0)
      facts.push(['refused', `${grouped(running.refused)} messages, ${grouped(running.cut)} connections closed`]);
  }
  facts.push(...vaultFacts(status), [
    'waiting',
    `${counted(vault.blocksWaiting, 'block')} (${bytesText(vault.blockBytesWaiting)}), ${counted(vault.alertsWaiting, 'alert')}`,
  ]);
  const { orphanBlocksWaiting = 0 } = vault;
  if (orphanBlocksWaiting > 0 || (bridge?.conflicts ?? 0) > 0)
    facts.push(['earlier', earlierText(orphanBlocksWaiting, bridge?.conflicts ?? 0)]);
  for (const { key, text } of vaultWarnings(vault))
    facts.push(['warning', key.startsWith('damaged') ? `${text}; tidegate vault verify names what is damaged` : text]);
  facts.push(
    [
      'cloud',
      enrolled === null
        ? 'not enrolled'
        : `${enrolled.tenant}/${enrolled.gateway}${enrolled.broker === null ? '' : ` at ${enrolled.broker}`}`,
    ],
    ['bridge', bridge === null ? 'not running' : bridgeText(bridge)],
    ...refusalFacts(bridge),
    ...securityFacts(bridge?.security, now),
    [
      'grants',
      grants.length === 0
        ? 'none: nothing leaves this site'
        : grants.map(({ series, purpose }) => `${series} (${purpose})`).join(', '),
    ],
  );
  return facts.map(([name, fact]) => `${name.padEnd(10)} ${fact}`).join('\n');
}

/** What the vault holds, what room it takes, and what it costs the disk. */
function vaultFacts({ vault, process: running }: GatewayStatus): [string, string][] {
  const { oldestReadingTime, bytesPerReading, bytesWritten, readingsWritten, quota, timeToFullMs, gaps } = vault;
  const since = oldestReadingTime === undefined ? '' : ` since ${new Date(oldestReadingTime).toISOString()}`;
  const each = bytesPerReading === undefined ? '' : ` (${bytesPerReading.toFixed(1)} bytes a reading)`;
  const facts: [string, string][] = [
    ['vault', `${grouped(vault.readings)} readings${since}, ${bytesText(vault.bytesAtRest ?? vault.bytes)}${each}`],
  ];
  if (quota !== undefined) {
    const full = timeToFullMs === undefined ? '' : `, full in ${spanText(timeToFullMs)} at the present rate`;
    facts.push(['room', `${bytesText(quota.used)} of ${bytesText(quota.bytes)}${full}`]);
  }
  if (running !== undefined) {
    const longest = vault.commitMaxMs === undefined ? '' : `, at most ${vault.commitMaxMs.toFixed(1)} ms`;
    const wear = bytesWritten === undefined ? '' : `; ${wearText(bytesWritten, readingsWritten)}`;
    const half = `half of them in ${vault.commitP50Ms.toFixed(1)} ms, 99 % in ${vault.commitP99Ms.toFixed(1)} ms`;
    facts.push(['commits', `${grouped(vault.commits)}, ${half}${longest}${wear}`]);
  }
  if (gaps !== undefined && gaps > 0) facts.push(['gaps', `${counted(gaps, 'span')} given up or lost, and declared`]);
  return facts;
}

/** Of incarnations that the vault was before it was copied, restored or mended. */
function earlierText(waiting: number, conflicts: number): string {
  const parts: string[] = [];
  if (waiting > 0) parts.push(`${grouped(waiting)} blocks of before the vault was copied, restored or mended wait`);
  if (conflicts > 0) parts.push(`${grouped(conflicts)} came too late: the cloud keeps other bytes under their numbers`);
  return parts.join('; ');
}

function wearText(written: NonNullable<GatewayStatus['vault']['bytesWritten']>, readings = 0): string {
  const total = written.journal + written.segments + written.catalogue;
  const each = total / readings;
  const perReading =
    readings === 0 ? '' : `, ${each < 100 ? `${each.toFixed(1)} bytes` : bytesText(Math.round(each))} for each reading`;
  return `${bytesText(total)} written${perReading}`;
}

const secureOf = ({ secureBroker }: NonNullable<GatewayStatus['process']>): string[] =>
  typeof secureBroker === 'string' ? [secureBroker] : [];

const SOON_MS = 14 * 86_400_000;

/** What is shown to the cloud's broker, and trusted of it. */
function securityFacts(security: Security | undefined, now: number): [string, string][] {
  if (security === undefined) return [];
  const { broker, caFile, serverName, certificate } = security;
  if (!/^(mqtts|wss):/.test(broker)) return [['tls', `none: ${broker} is plain; frames are sealed all the same`]];
  const trusts = caFile === undefined ? "the machine's own authorities" : `the authorities in ${caFile}`;
  const name = serverName === undefined ? '' : `, as ${serverName}`;
  const facts: [string, string][] = [['tls', `${broker}${name}, trusting ${trusts}`]];
  if (certificate === undefined) return facts;
  const { subject, validTo } = certificate;
  const until = new Date(validTo).toISOString().slice(0, 10);
  facts.push(['shows', `the certificate ${subject}, valid until ${until}`]);
  if (validTo - now < SOON_MS) {
    const ends = validTo < now ? `expired on ${until}` : `expires on ${until}`;
    facts.push(['warning', `the certificate ${subject} ${ends}; put a new one in its place`]);
  }
  return facts;
}

/** What either end did not take from the other one. */
function refusalFacts(bridge: GatewayStatus['bridge']): [string, string][] {
  return [
    ...countsFact('cloud said', bridge?.rejected, bridge?.rejectedReason),
    ...countsFact('not taken', bridge?.refused, bridge?.refusedReason),
  ];
}

/** `retry 3, upgrade 1; last: …`; no fact when nothing was counted. */
function countsFact(
  name: string,
  counts: Readonly<Record<string, number>> = {},
  reason: string | null = null,
): [string, string][] {
  const kinds = Object.entries(counts).map(([kind, count]) => `${kind} ${grouped(count)}`);
  return kinds.length === 0 ? [] : [[name, `${kinds.join(', ')}; last: ${reason ?? ''}`]];
}

/** What the node says, and the reason where it says none. */
function bridgeText({ text, reason }: NonNullable<GatewayStatus['bridge']>): string {
  return reason === null || text === reason ? text : `${text} (${reason})`;
}

function duration(ms: number): string {
  if (ms < 60_000) return `${Math.max(0, Math.floor(ms / 1000))} s`;
  const minutes = Math.floor(ms / 60_000);
  if (minutes < 60) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  return hours < 48 ? `${hours} h ${minutes % 60} min` : `${Math.floor(hours / 24)} days`;
}
