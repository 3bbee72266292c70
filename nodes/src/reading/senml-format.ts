import { Findings } from './metric.ts';
import { quote } from './number-format.ts';
import { isRecord } from './object-format.ts';

/**
 * SenML (RFC 8428) in its JSON form, and in its CBOR form once the integer labels have been named. Base fields hold from
 * the record that sets them to the end of the pack; times below 2^28 are relative to now (section 4.5.3).
 */
type SenmlRecord = Record<string, unknown>;

/** Integer labels of the CBOR form (section 6). */
const LABELS = new Map([
  ['-1', 'bver'],
  ['-2', 'bn'],
  ['-3', 'bt'],
  ['-4', 'bu'],
  ['-5', 'bv'],
  ['-6', 'bs'],
  ['0', 'n'],
  ['1', 'u'],
  ['2', 'v'],
  ['3', 'vs'],
  ['4', 'vb'],
  ['5', 's'],
  ['6', 't'],
  ['7', 'ut'],
  ['8', 'vd'],
]);
const FIELDS = new Set(LABELS.values());
const MAX_VERSION = 10;
const RELATIVE_BELOW = 2 ** 28;

/** Whether a decoded payload is a SenML pack: a list of objects whose fields are SenML's, of which one carries a value. */
export function isSenml(decoded: unknown): decoded is SenmlRecord[] {
  if (!Array.isArray(decoded) || decoded.length === 0) return false;
  const first: unknown = decoded[0];
  if (!isRecord(first)) return false;
  const names = Object.keys(first).map((key) => LABELS.get(key) ?? key);
  return (
    names.every((name) => FIELDS.has(name) || name.endsWith('_')) && names.some((name) => name === 'n' || name === 'bn')
  );
}

/** Reads a pack. `received`: epoch milliseconds, what relative times count from. */
export function readSenml(decoded: unknown, received: number): Findings {
  const findings = new Findings();
  if (!Array.isArray(decoded)) {
    return Findings.failed('unreadable', 'the payload is no SenML pack: that is a list of records');
  }
  const base: Base = { name: '', time: 0, unit: undefined, value: 0, sum: 0 };
  for (const record of decoded as unknown[]) {
    if (findings.full) break;
    if (isRecord(record)) readRecord(named(record), base, received, findings);
    else findings.problem('unreadable', 'a SenML record is not an object');
  }
  return findings.finish();
}

interface Base {
  name: string;
  /** Seconds. */
  time: number;
  unit: string | undefined;
  value: number;
  sum: number;
}

function readRecord(record: SenmlRecord, base: Base, received: number, findings: Findings): void {
  if (typeof record.bver === 'number' && record.bver > MAX_VERSION) {
    findings.problem('unreadable', `SenML version ${record.bver} is newer than ${MAX_VERSION}`);
    return;
  }
  // Section 4.4: a field whose name ends in _ must be understood, or the record is not used.
  const strange = Object.keys(record).find((key) => key.endsWith('_'));
  if (strange !== undefined) {
    findings.problem('unreadable', `a SenML record asks to understand the field ${quote(strange)}`);
    return;
  }
  if (typeof record.bn === 'string') base.name = record.bn;
  if (typeof record.bt === 'number') base.time = record.bt;
  if (typeof record.bu === 'string') base.unit = record.bu;
  if (typeof record.bv === 'number') base.value = record.bv;
  if (typeof record.bs === 'number') base.sum = record.bs;
  addValues(record, base, received, findings);
}

function addValues(record: SenmlRecord, base: Base, received: number, findings: Findings): void {
  const path = base.name + (typeof record.n === 'string' ? record.n : '');
  const seconds = base.time + (typeof record.t === 'number' ? record.t : 0);
  const own = seconds === 0 ? undefined : Math.round(seconds * 1000);
  const time = own !== undefined && seconds < RELATIVE_BELOW ? received + own : own;
  const unit = typeof record.u === 'string' ? record.u : base.unit;
  if (typeof record.v === 'number') findings.add(path, addDecimal(base.value, record.v), time, unit);
  else if (typeof record.vb === 'boolean') findings.add(path, record.vb, time, unit);
  else if (typeof record.vs === 'string') findings.add(path, record.vs, time, unit);
  else if (record.vd !== undefined)
    findings.problem('not-a-number', `${quote(path)} holds data (vd), which is not kept`);
  if (typeof record.s === 'number') {
    const sum = path === '' ? 'sum' : `${path}/sum`;
    findings.add(sum, addDecimal(base.sum, record.s), time, unit);
  }
}

/** A base value is added as decimals are: 20.1 + 0.2 is 20.3, not 20.300000000000001. */
function addDecimal(base: number, value: number): number {
  return base === 0 ? value : Number((base + value).toPrecision(15));
}

function named(record: SenmlRecord): SenmlRecord {
  if (!Object.keys(record).some((key) => LABELS.has(key))) return record;
  return Object.fromEntries(Object.entries(record).map(([key, value]) => [LABELS.get(key) ?? key, value]));
}
