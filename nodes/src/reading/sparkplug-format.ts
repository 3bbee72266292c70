import { reasonOf } from '../node/errors.ts';
import type { BirthBook } from './sparkplug-births.ts';
import { shortestFloat32 } from './float32.ts';
import { MAX_METRICS } from './limits.ts';
import { Findings } from './metric.ts';
import { quote } from './number-format.ts';
import { ProtobufReader } from './protobuf-reader.ts';
import type { Quality, Value } from './reading.ts';

/** A Sparkplug topic: `spBv1.0/group/type/edge[/device]` (Eclipse Sparkplug 3.0, section 4.1). */
export interface SparkplugTopic {
  type: string;
  /** `group/edge`: aliases are unique within it. */
  edge: string;
  /** `group/edge[/device]`: what series are named after, since the type differs from message to message. */
  place: string;
}

export const SPARKPLUG = 'spBv1.0/';

export function parseSparkplugTopic(topic: string): SparkplugTopic | undefined {
  const levels = topic.split('/');
  const [prefix, group, type, edge, device] = levels;
  if (prefix !== 'spBv1.0' || group === undefined || type === undefined || edge === undefined || levels.length > 5) {
    return undefined;
  }
  const node = `${group}/${edge}`;
  return { type, edge: node, place: device === undefined ? node : `${node}/${device}` };
}

/** One metric as it stands on the wire; each kind of value is in a field of its own. */
interface Wire {
  name: string | undefined;
  alias: bigint | undefined;
  time: number | undefined;
  datatype: number | undefined;
  isNull: boolean;
  value: Value | bigint | undefined;
  unit: string | undefined;
  quality: Quality | undefined;
  unsupported: boolean;
}

/**
 * Reads a Sparkplug B payload (DATA and BIRTH of nodes and devices). Births teach the names behind aliases; a metric that
 * comes by an alias which no birth has named is a problem, the others are kept.
 */
export function readSparkplug(topic: string, bytes: Uint8Array, births: BirthBook): Findings {
  const place = parseSparkplugTopic(topic);
  if (place === undefined)
    return Findings.failed('unreadable', `${quote(topic)} is no Sparkplug topic: spBv1.0/group/DDATA/edge/device`);
  if (!/^[ND](DATA|BIRTH)$/.test(place.type))
    return Findings.failed('no-values', `Sparkplug messages of type ${quote(place.type)} carry no readings`);
  const findings = new Findings();
  findings.topic = place.place;
  try {
    readPayload(bytes, place, births, findings);
  } catch (error) {
    findings.problem('unreadable', `the payload is no Sparkplug B message: ${reasonOf(error)}`);
  }
  // A birth may only name what is to come.
  return place.type.endsWith('BIRTH') ? findings : findings.finish();
}

function readPayload(bytes: Uint8Array, place: SparkplugTopic, births: BirthBook, findings: Findings): void {
  const birth = place.type.endsWith('BIRTH');
  if (place.type === 'NBIRTH') births.forget(place.edge);
  const reader = new ProtobufReader(bytes);
  const metrics: Wire[] = [];
  let time: number | undefined;
  while (reader.next()) {
    if (reader.field === 1) time = Number(reader.uint());
    else if (reader.field !== 2) reader.skip();
    else if (metrics.length < MAX_METRICS) metrics.push(readMetric(reader.block()));
    else {
      findings.problem('too-many', `holds more than ${MAX_METRICS} values; the others are left out`);
      break;
    }
  }
  for (const metric of metrics) addMetric(metric, time, place, birth ? births : undefined, births, findings);
}

function addMetric(
  metric: Wire,
  payloadTime: number | undefined,
  place: SparkplugTopic,
  teach: BirthBook | undefined,
  births: BirthBook,
  findings: Findings,
): void {
  const known = metric.alias === undefined ? undefined : births.find(place.edge, metric.alias);
  const name = metric.name ?? known?.name;
  if (name === undefined) {
    findings.problem(
      'unknown-alias',
      `alias ${metric.alias ?? '(none)'} of ${quote(place.edge)} has not been named by a birth`,
    );
    return;
  }
  const datatype = metric.datatype ?? known?.datatype;
  if (teach !== undefined && metric.alias !== undefined) teach.learn(place.edge, metric.alias, { name, datatype });
  // bdSeq and node control are the protocol's own, not readings.
  if (metric.isNull || name === 'bdSeq' || name.startsWith('Node Control/') || name.startsWith('Device Control/'))
    return;
  if (metric.unsupported) {
    findings.problem('not-a-number', `${quote(name)} is a data set, template or bytes, which are not kept`);
    return;
  }
  const value = decode(metric.value, datatype);
  if (value === undefined) return;
  findings.add(name, value, metric.time ?? payloadTime, metric.unit, metric.quality);
}

/** Signed integers travel as two's complement in unsigned fields (section 6.4.16). */
function decode(value: Value | bigint | undefined, datatype: number | undefined): Value | undefined {
  if (typeof value !== 'bigint') return value;
  const width = datatype === undefined ? undefined : [8, 16, 32, 64][datatype - 1];
  return Number(width === undefined ? value : BigInt.asIntN(width, value));
}

function readMetric(bytes: Uint8Array): Wire {
  const reader = new ProtobufReader(bytes);
  const metric: Wire = {
    name: undefined,
    alias: undefined,
    time: undefined,
    datatype: undefined,
    isNull: false,
    value: undefined,
    unit: undefined,
    quality: undefined,
    unsupported: false,
  };
  while (reader.next()) readField(reader, metric);
  return metric;
}

function readField(reader: ProtobufReader, metric: Wire): void {
  switch (reader.field) {
    case 1:
      metric.name = reader.text();
      break;
    case 2:
      metric.alias = reader.uint();
      break;
    case 3:
      metric.time = Number(reader.uint());
      break;
    case 4:
      metric.datatype = Number(reader.uint());
      break;
    case 7:
      metric.isNull = reader.uint() !== 0n;
      break;
    case 9:
      readProperties(reader.block(), metric);
      break;
    case 10:
    case 11:
      metric.value = reader.uint();
      break;
    case 12:
      metric.value = shortestFloat32(reader.float());
      break;
    case 13:
      metric.value = reader.double();
      break;
    case 14:
      metric.value = reader.uint() !== 0n;
      break;
    case 15:
      metric.value = reader.text();
      break;
    case 16:
    case 17:
    case 18:
    case 19:
      metric.unsupported = true;
      reader.skip();
      break;
    default:
      reader.skip();
  }
}

/** Property set: keys and values in step. Two are read: `engUnit` and `Quality` (192 good, 500 stale, 0 bad). */
function readProperties(bytes: Uint8Array, metric: Wire): void {
  const reader = new ProtobufReader(bytes);
  const keys: string[] = [];
  const values: Uint8Array[] = [];
  while (reader.next()) {
    if (reader.field === 1 && keys.length < 64) keys.push(reader.text());
    else if (reader.field === 2 && values.length < 64) values.push(reader.block());
    else reader.skip();
  }
  for (const [i, key] of keys.entries()) {
    const value = values[i];
    if (value === undefined) continue;
    if (key === 'engUnit') metric.unit = property(value).text;
    else if (key === 'Quality') metric.quality = qualityOf(property(value).number);
  }
}

function property(bytes: Uint8Array): { text?: string; number?: number } {
  const reader = new ProtobufReader(bytes);
  const found: { text?: string; number?: number } = {};
  while (reader.next()) {
    if (reader.field === 3 || reader.field === 4) found.number = Number(reader.uint());
    else if (reader.field === 8) found.text = reader.text();
    else reader.skip();
  }
  return found;
}

function qualityOf(code: number | undefined): Quality | undefined {
  if (code === undefined || code === 192) return undefined;
  return code === 0 ? 'bad' : 'uncertain';
}
