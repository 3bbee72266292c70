import { deflateRawSync, inflateRawSync } from 'node:zlib';
import { Decoder, Encoder } from 'cbor-x';
import type { StateCodec } from '../vault/consumer.ts';
import { z } from 'zod';
import { alertSchema } from './alert-codec.ts';
import type { DetectionPlan } from './rules.ts';
import { SeriesDetection } from './series-detection.ts';

const VERSION = 1;
/** Bound on what a saved state may unfold to, bytes: twenty detectors' worth. */
const MAX_STATE_BYTES = 1 << 18;

const savedSchema = z.object({
  v: z.literal(VERSION),
  last: z.number(),
  position: z.number().optional(),
  value: z.union([z.number(), z.boolean(), z.string()]),
  unit: z.string().optional(),
  late: z.number(),
  watches: z.array(
    z.object({
      key: z.string(),
      version: z.number(),
      state: z.unknown(),
      open: z.object({ alert: alertSchema, score: z.number(), revisedAt: z.number() }).optional(),
    }),
  ),
});
type Saved = z.infer<typeof savedSchema>;

const encoder = new Encoder({ useRecords: false, variableMapSize: true });
// Copies: a view of a few hundred bytes would keep all that was inflated, 16 kB for each array.
const decoder = new Decoder({ useRecords: false, mapsAsObjects: true, copyBuffers: true });

/** A series' detection as bytes: CBOR, deflated (histograms are mostly zeros). About 1 KB a series. */
export function detectionCodec(plan: DetectionPlan): StateCodec<SeriesDetection> {
  return {
    create: (series) => new SeriesDetection(series, plan.for(series)),
    encode: (detection) => deflateRawSync(encoder.encode(savedOf(detection)), { level: 1 }),
    decode: (bytes, series) => {
      const saved = savedSchema.safeParse(decoder.decode(inflateRawSync(bytes, { maxOutputLength: MAX_STATE_BYTES })));
      if (!saved.success) return undefined;
      return restored(saved.data, new SeriesDetection(series, plan.for(series)));
    },
  };
}

function savedOf(detection: SeriesDetection): Saved {
  const { last, position, value, unit, late } = detection;
  const watches: Saved['watches'] = [];
  for (const { planned, state, open } of detection.watches)
    if (state !== undefined)
      watches.push({ key: planned.key, version: planned.detector.version, state: planned.pack(state), open });
  return { v: VERSION, last, position, value, unit, late, watches };
}

/** Detectors that the plan has again get their memory back, unless it is of another version; alerts of others are orphans. */
function restored(saved: Saved, detection: SeriesDetection): SeriesDetection {
  detection.last = saved.last;
  detection.position = saved.position;
  detection.value = saved.value;
  detection.unit = saved.unit;
  detection.late = saved.late;
  for (const { key, version, state, open } of saved.watches) {
    const watch = detection.watches.find(({ planned }) => planned.key === key);
    if (watch === undefined || watch.planned.detector.version !== version) {
      if (open) detection.orphans.push(open);
      continue;
    }
    watch.state = watch.planned.unpack(state);
    watch.open = open;
  }
  return detection;
}
