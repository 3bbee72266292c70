import { z } from 'zod';
import { DROPS } from '../accounts.ts';

const bytes = z.custom<Uint8Array>((given) => given instanceof Uint8Array, 'bytes');
const whole = z.number().int().min(0);
/** What is in a block, by series (accounts.ts). */
const tally = bytes.optional();
const as = z.enum(['delivered', ...DROPS]).optional();
/** Of the blocks, those whose bytes had been lost to damage. */
const hollow = z.array(whole).optional();
const ranges = z.array(z.tuple([whole, whole]));
const value = bytes.optional();

/**
 * What a commit did to the catalogue, as the journal keeps it: decided already (conflicts are left out, numbers are
 * given), so that applying it again after a crash gives the same rows whatever happened in between.
 */
export const effectSchema = z.discriminatedUnion('kind', [
  z.object({
    kind: z.literal('series'),
    number: whole,
    name: z.string(),
    unit: z.string().optional(),
    type: z.enum(['number', 'boolean', 'string']),
  }),
  z.object({ kind: z.literal('cause'), source: z.string(), cause: whole }),
  z.object({ kind: z.literal('rejections'), rejections: z.array(bytes) }),
  z.object({ kind: z.literal('checkpoint'), consumer: z.string(), series: whole, position: whole, state: bytes }),
  z.object({ kind: z.literal('consumer'), consumer: z.string(), replayFrom: whole }),
  z.object({ kind: z.literal('forget-consumer'), consumer: z.string() }),
  z.object({ kind: z.literal('block'), stream: z.string(), number: whole, body: bytes, tally }),
  z.object({ kind: z.literal('orphan-block'), stream: z.string(), number: whole, body: bytes, tally }),
  z.object({ kind: z.literal('rewrite-block'), stream: z.string(), number: whole, body: bytes, tally }),
  z.object({ kind: z.literal('blocks-acknowledged'), stream: z.string(), ranges, as, hollow }),
  /** Readings in parts that no grant lets leave. */
  z.object({ kind: z.literal('withheld'), stream: z.string(), tally: bytes }),
  z.object({ kind: z.literal('alert'), id: z.string(), revision: whole, body: bytes }),
  z.object({
    kind: z.literal('alerts-acknowledged'),
    alerts: z.array(z.object({ id: z.string(), revision: whole })),
  }),
  z.object({ kind: z.literal('document'), namespace: z.string(), key: z.string(), value }),
  z.object({ kind: z.literal('advance'), to: whole }),
  /** This store begins to write as another writer: 16 bytes. Registers are made from `head` on. */
  z.object({ kind: z.literal('incarnation'), incarnation: bytes, head: whole.optional() }),
  /**
   * The months before one (since January 1970) are given up: their waiting blocks, alerts and rejections go, and so do their
   * readings in journal records up to `recordTo`.
   */
  z.object({ kind: z.literal('shredded'), before: whole, recordTo: whole.optional() }),
  /** A file of readings is given up: it goes once this is on the disk. The tag is that of its footer. */
  z.object({ kind: z.literal('segment-removed'), number: whole, recordTo: whole, tag: bytes }),
  /** Waiting blocks are given up; their numbers stay taken. */
  z.object({ kind: z.literal('blocks-dropped'), stream: z.string(), ranges, as, hollow }),
  /** Readings that turned out broken, by where they lie: they are declared once, and are not among what goes later. */
  z.object({ kind: z.literal('lost'), place: z.string(), readings: whole }),
  /** Consumers are not waited for below this position. */
  z.object({ kind: z.literal('left-behind'), below: whole }),
]);
export type Effect = z.infer<typeof effectSchema>;
