import { fork, spawnSync, type ChildProcess } from 'node:child_process';
import { availableParallelism } from 'node:os';
import path from 'node:path';
import { shimLibrary } from '../../support/shim.ts';
import { CAMPAIGNS } from './kinds.ts';

/** A group of rounds, as a process that runs it is told. */
export interface GroupTask {
  campaign: string;
  kind: string;
  seed: string;
  /** Null: as many as there are. */
  rounds: number | null;
  /** Only this one of them. */
  round?: number | undefined;
  part?: string | undefined;
}

export type GroupMessage =
  | { word: 'passed'; by: number }
  | { word: 'count'; of: string; by: number }
  | { word: 'most'; of: string; value: number }
  | ({ word: 'failed' } & Failed)
  | { word: 'done' };

interface Failed {
  round: string;
  error: string;
  kept: string | undefined;
  /** Of the round in its group, when it can be repeated alone. */
  number: number | undefined;
}

export interface KindResult {
  kind: string;
  passed: number;
  failed: number;
  seconds: number;
  counts: Map<string, number>;
  failures: (Failed & { seed: string })[];
}

export interface CampaignOptions {
  campaign: string;
  seed: string;
  kinds: readonly string[];
  /** Rounds of each kind; absent: as many as the kind itself says. */
  rounds?: number | undefined;
  /** Only this group of each kind, to see a failure again. */
  group?: number | undefined;
  /** And of that group only this round. */
  round?: number | undefined;
  processes?: number;
  progress?: (text: string) => void;
  /** Called after each kind. */
  finished?: (result: KindResult) => void;
}

/** Runs kinds one after the other, the groups of each on all cores, each in a process of its own: a crash is a failure too. */
export async function runCampaign(options: CampaignOptions): Promise<KindResult[]> {
  // Compiled once, and known to the processes of the groups.
  if (options.campaign === 'vault') shimLibrary();
  const results: KindResult[] = [];
  for (const kind of options.kinds) {
    const result = await runKind(options, kind);
    options.finished?.(result);
    results.push(result);
  }
  return results;
}

function tasksOf({ campaign, seed, rounds, round }: CampaignOptions, kind: string): GroupTask[] {
  const { rounds: usual, group: size, parts } = CAMPAIGNS[campaign][kind];
  const all = rounds ?? usual;
  const task = (number: number): Pick<GroupTask, 'campaign' | 'kind' | 'seed' | 'round'> => ({
    campaign,
    kind,
    round,
    seed: `${seed}/${kind}/${number}`,
  });
  if (parts !== undefined) {
    const share = Number.isFinite(all) ? Math.ceil(all / parts.length) : null;
    return parts.slice(0, Math.min(parts.length, all)).map((part, i) => ({ ...task(i), rounds: share, part }));
  }
  const tasks: GroupTask[] = [];
  for (let done = 0; done < all; done += size)
    tasks.push({ ...task(tasks.length), rounds: Math.min(size, all - done) });
  return tasks;
}

async function runKind(options: CampaignOptions, kind: string): Promise<KindResult> {
  const { progress } = options;
  const tasks = tasksOf(options, kind);
  const queue = options.group === undefined ? tasks : tasks.slice(options.group, options.group + 1);
  const result: KindResult = { kind, passed: 0, failed: 0, seconds: 0, counts: new Map(), failures: [] };
  const started = performance.now();
  const ticker = setInterval(() => progress?.(`${kind}: ${result.passed} passed, ${result.failed} failed`), 5_000);
  const work = async (): Promise<void> => {
    for (let task = queue.shift(); task !== undefined; task = queue.shift()) await runGroup(task, result);
  };
  await Promise.all(Array.from({ length: options.processes ?? availableParallelism() }, work));
  clearInterval(ticker);
  result.seconds = (performance.now() - started) / 1000;
  return result;
}

/** Who is not root may mount a small disk in a name space of its own, where the kernel allows one. */
function executable(kind: string): { execPath?: string; execArgv: string[] } {
  const execArgv = ['--conditions=source'];
  if (kind !== 'full' || process.getuid?.() === 0 || spawnSync('unshare', ['-rm', 'true']).status !== 0)
    return { execArgv };
  return { execPath: 'unshare', execArgv: ['-rm', process.execPath, ...execArgv] };
}

const running = new Set<ChildProcess>();
process.once('exit', () => {
  for (const child of running) child.kill('SIGTERM');
});

async function runGroup(task: GroupTask, result: KindResult): Promise<void> {
  const child = fork(path.join(import.meta.dirname, 'group-process.ts'), [JSON.stringify(task)], {
    ...executable(task.kind),
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  running.add(child);
  let done = false;
  const fail = ({ round, error, kept, number }: Failed): void => {
    result.failed++;
    result.failures.push({ seed: task.seed, round, error, kept, number });
  };
  child.on('message', (message: GroupMessage) => {
    if (message.word === 'passed') result.passed += message.by;
    else if (message.word === 'count') result.counts.set(message.of, (result.counts.get(message.of) ?? 0) + message.by);
    else if (message.word === 'most')
      result.counts.set(message.of, Math.max(result.counts.get(message.of) ?? 0, message.value));
    else if (message.word === 'failed') fail(message);
    else done = true;
  });
  const code = await new Promise<string>((resolve) => {
    child.on('close', (exit, signal) => resolve(String(exit ?? signal)));
  });
  running.delete(child);
  if (done) return;
  const error = `the process of the group ended with ${code}`;
  fail({ round: 'the whole group', error, kept: undefined, number: undefined });
}
