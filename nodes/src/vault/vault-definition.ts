import path from 'node:path';
import { TideError } from '../node/errors.ts';
import { checkBudget, type BudgetOptions } from './budget/budget-options.ts';
import type { KeyReference, VaultOptions } from './vault.ts';

/** What the editor's form of tide-vault stores; everything may be empty. */
export interface VaultDefinition {
  directory?: string;
  /** `file`, `env` or `credential`. */
  keyKind?: string;
  /** Path, name of the variable, or name of the credential; never the key. */
  keyReference?: string;
  commitDelayMs?: string | number;
  /** Room that the vault may take, MB (10^6 bytes); empty for its own choice. */
  quotaMegabytes?: string | number;
  /** Days that raw readings are kept; empty for as long as there is room. */
  retentionDays?: string | number;
}

export const MAX_COMMIT_DELAY_MS = 10_000;

/** Whether the definition leaves it to the gateway which vault it is. */
export function isTheGateways({ directory, keyReference }: VaultDefinition): boolean {
  return filled(directory) === undefined && filled(keyReference) === undefined;
}

/** The options of a vault: relative paths and the defaults (`tidegate`, `tidegate.key`) lie in Node-RED's user directory. */
export function vaultOptionsOf(definition: VaultDefinition, userDir: string): VaultOptions {
  const directory = path.resolve(userDir, filled(definition.directory) ?? 'tidegate');
  return {
    directory,
    key: keyOf(definition, userDir),
    commitDelayMs: delayOf(definition.commitDelayMs),
    budget: budgetOf(definition),
  };
}

function budgetOf({ quotaMegabytes, retentionDays }: VaultDefinition): BudgetOptions {
  const megabytes = filled(String(quotaMegabytes ?? ''));
  const days = filled(String(retentionDays ?? ''));
  const budget: BudgetOptions = {
    ...(megabytes !== undefined && { quotaBytes: Math.round(Number(megabytes) * 1e6) }),
    ...(days !== undefined && { retentionDays: Number(days) }),
  };
  checkBudget(budget);
  return budget;
}

function keyOf({ keyKind, keyReference }: VaultDefinition, userDir: string): KeyReference {
  const kind = filled(keyKind) ?? 'file';
  const name = filled(keyReference);
  if (kind === 'file') {
    if (name !== undefined && isKeyItself(name))
      throw new TideError('bad-option', 'the key itself stands in the flow: replace it, and enter the path of a file');
    return { file: path.resolve(userDir, name ?? 'tidegate.key') };
  }
  if (kind !== 'env' && kind !== 'credential')
    throw new TideError('bad-option', `the key's kind is "${kind}"; allowed are file, env and credential`);
  if (name === undefined)
    throw new TideError(
      'bad-option',
      `the name of the ${kind === 'env' ? 'environment variable' : 'credential'} is empty`,
    );
  return kind === 'env' ? { env: name } : { credential: name };
}

function delayOf(found: string | number | undefined): number {
  const text = filled(String(found ?? ''));
  const delay = Number(text ?? 0);
  if (!Number.isFinite(delay) || delay < 0 || delay > MAX_COMMIT_DELAY_MS)
    throw new TideError(
      'bad-option',
      `the commit delay is ${JSON.stringify(found)}; allowed are 0 to ${MAX_COMMIT_DELAY_MS} milliseconds`,
    );
  return delay;
}

/** A text that says something; Node-RED leaves `${NAME}` standing when the environment has no such variable. */
function filled(text: string | undefined): string | undefined {
  const trimmed = text?.trim() ?? '';
  return trimmed === '' || /^\$\{[^}]*\}$/.test(trimmed) ? undefined : trimmed;
}

const isKeyItself = (text: string): boolean => /^[0-9a-fA-F]{64,}$/.test(text);
