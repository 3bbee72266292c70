import { z } from 'zod';

/**
 * gateway.yaml. One declaration is type and validation; the description of each value says what is allowed and is what
 * an error message and docs/configuration.md print.
 */

const port = z.number().int().min(0).max(65_535).describe('0..65535 (0 takes a free port)');
const host = z
  .string()
  .regex(/^[A-Za-z0-9.:_-]{1,253}$/)
  .describe('a host name or IP address');
const passwordHash = z
  .string()
  .regex(/^scrypt\$\d{1,2}\$\d{1,2}\$\d{1,2}\$[\w-]{22,}\$[\w-]{43}$/)
  .describe('a hash made by `tidegate hash-password`');
const userName = z
  .string()
  .regex(/^[\w.@-]{1,64}$/)
  .describe('1 to 64 letters, digits or any of . _ @ -');
const filePath = z.string().min(1).max(4096).describe('a path, relative to the directory of gateway.yaml or absolute');

export const keyReference = z
  .union([
    z.strictObject({ file: filePath }),
    z.strictObject({ env: z.string().regex(/^[A-Za-z_]\w*$/) }),
    z.strictObject({ credential: z.string().regex(/^[\w.-]+$/) }),
  ])
  .describe('one of {file: PATH}, {env: NAME}, {credential: NAME}; never the key itself');

export const gatewayConfig = z.strictObject({
  version: z.literal(1).describe('1'),
  name: z
    .string()
    .regex(/^[a-z0-9][a-z0-9-]{0,62}$/)
    .describe('1 to 63 lower-case letters, digits or -'),
  vault: z
    .strictObject({
      directory: filePath.default('vault'),
      key: keyReference,
      commitDelayMs: z.number().int().min(0).max(10_000).default(5).describe('0..10000 milliseconds'),
      quotaBytes: z
        .number()
        .int()
        .min(67_108_864)
        .max(2 ** 50)
        .optional()
        .describe('67108864 bytes (64 MiB) or more'),
      retentionDays: z.number().int().min(1).max(36_500).optional().describe('1..36500 days'),
      ballastBytes: z.number().int().min(0).max(1_073_741_824).optional().describe('0..1073741824 bytes'),
    })
    .describe('keys directory, key, commitDelayMs, quotaBytes, retentionDays, ballastBytes'),
  mqtt: z
    .strictObject({
      host: host.default('127.0.0.1'),
      port: port.default(1883),
      users: z
        .array(z.strictObject({ name: userName, passwordHash }))
        .min(1)
        .max(1_000)
        .optional()
        .describe('a list of 1 to 1000 {name, passwordHash}'),
      anonymous: z.boolean().default(false).describe('true or false'),
      tls: z
        .strictObject({
          host: host.default('127.0.0.1'),
          port: port.default(8883),
          certFile: filePath,
          keyFile: filePath,
          clientCaFile: filePath.optional(),
        })
        .optional()
        .describe('keys host, port, certFile, keyFile, clientCaFile; left out, nothing is opened'),
    })
    .refine(
      ({ tls, users, anonymous }) =>
        tls === undefined || isLoopback(tls.host) || (users ?? tls.clientCaFile) !== undefined || anonymous,
      {
        path: ['tls', 'host'],
        error: 'with no mqtt.users and no mqtt.tls.clientCaFile: 127.0.0.1, or one of these, or mqtt.anonymous: true',
        when: ({ value }) => typeof (value as { tls?: { host?: unknown } } | undefined)?.tls?.host === 'string',
      },
    )
    .refine((mqtt) => isLoopback(mqtt.host) || mqtt.users !== undefined || mqtt.anonymous, {
      path: ['host'],
      error: 'with no mqtt.users: 127.0.0.1, or list mqtt.users, or set mqtt.anonymous: true',
      // Judged also when other keys are wrong, so that one run shows all there is to correct.
      when: ({ value }) => typeof (value as { host?: unknown } | undefined)?.host === 'string',
    })
    .prefault({})
    .describe('keys host, port, users, anonymous, tls'),
  editor: z
    .strictObject({
      host: host.default('127.0.0.1'),
      port: port.default(1880),
      user: userName.default('admin'),
      passwordHash,
    })
    .describe('keys host, port, user, passwordHash'),
  cloud: z
    .strictObject({
      broker: z
        .string()
        .max(512)
        .regex(/^(mqtts?|wss?):\/\/[^\s/@]+\/?\S*$/)
        .optional()
        .describe('a URL such as mqtts://cloud.example:8883, without user and password'),
      caFile: filePath.optional(),
      certFile: filePath.optional(),
      keyFile: filePath.optional(),
      serverName: host.optional(),
    })
    .refine(({ certFile, keyFile }) => (certFile === undefined) === (keyFile === undefined), {
      path: ['certFile'],
      error: 'cloud.certFile and cloud.keyFile together, or none of them',
    })
    .prefault({})
    .describe('keys broker, caFile, certFile, keyFile, serverName'),
  metrics: z
    .strictObject({ host: host.default('127.0.0.1'), port })
    .optional()
    .describe('keys host, port; left out, nothing is opened'),
  limits: z
    .strictObject({
      payloadBytes: z.number().int().min(1_024).max(16_777_216).default(262_144).describe('1024..16777216 bytes'),
      clientBytes: z.number().int().min(16_384).max(67_108_864).default(1_048_576).describe('16384..67108864 bytes'),
      clients: z.number().int().min(1).max(100_000).default(1_000).describe('1..100000 connections'),
      commitTimeoutMs: z.number().int().min(100).max(600_000).default(15_000).describe('100..600000 milliseconds'),
    })
    .prefault({})
    .describe('keys payloadBytes, clientBytes, clients, commitTimeoutMs'),
});

export type GatewayConfig = z.infer<typeof gatewayConfig>;

export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127(\.\d{1,3}){3}$/.test(host);
}
