import { readFileSync } from 'node:fs';
import path from 'node:path';
import { decodeAlert } from '@tidegate/nodes/detect';
import { decodeBlock } from '@tidegate/nodes/summary';
import {
  CATALOGUE_STREAM,
  FrameCodec,
  alerts,
  blocks,
  decodeBody,
  decodeCatalogue,
  parseTopic,
  type Identity,
  type PeerKeys,
} from '@tidegate/nodes/sync';
import { systemClock } from '@tidegate/nodes/node';
import { parser, type Packet, type Parser } from 'mqtt-packet';
import type { TcpProxy } from './tcp-proxy.ts';

/** What one captured frame said about series. */
export interface Sighting {
  type: string;
  series: string;
}

/**
 * An auditor on the line: captures what a gateway sends through a proxy and, holding the cloud's keys, opens every frame
 * and lists the series that it speaks of.
 */
export class Wiretap {
  private readonly parsers = new Map<number, Parser>();
  private readonly codec: FrameCodec;
  private readonly peers = new Map<string, PeerKeys>();
  private readonly names = new Map<number, string>();
  private readonly unnamed: { type: string; number: number }[] = [];
  private sightings: Sighting[] = [];
  /** Bytes as they were on the line. */
  readonly raw: Buffer[] = [];
  frames = 0;

  constructor(proxy: TcpProxy, cloudDirectory: string) {
    this.codec = new FrameCodec(readIdentity(path.join(cloudDirectory, 'keys/identity.json')), systemClock);
    proxy.capture = (connection, chunk) => {
      this.raw.push(Buffer.from(chunk));
      this.parserOf(connection).parse(chunk);
    };
  }

  /** Series that frames have spoken of since the last call. */
  take(): Sighting[] {
    const named = this.unnamed
      .splice(0)
      .map(({ type, number }) => ({ type, series: this.names.get(number) ?? `number ${number}` }));
    const taken = [...this.sightings, ...named];
    this.sightings = [];
    return taken;
  }

  private parserOf(connection: number): Parser {
    let found = this.parsers.get(connection);
    if (found === undefined) {
      found = parser();
      found.on('packet', (packet: Packet) => {
        if (packet.cmd === 'publish') this.read(packet.topic, packet.payload as Buffer);
      });
      this.parsers.set(connection, found);
    }
    return found;
  }

  private read(topic: string, payload: Buffer): void {
    const address = parseTopic(topic);
    if (address === undefined) throw new Error(`the gateway published on ${topic}`);
    const { header, body } = this.codec.open(address, payload, ({ keys }) => {
      if (keys !== undefined) this.peers.set(address.gateway, keys);
      return this.peers.get(address.gateway)!;
    });
    this.frames++;
    const { type } = address;
    if (type === 'alert') {
      for (const alert of decodeBody(alerts, body).alerts)
        this.sightings.push({ type, series: decodeAlert(alert.body).series });
    } else if (type === 'live' || type === 'fill') {
      for (const block of decodeBody(blocks, body).blocks) {
        if (header.stream === CATALOGUE_STREAM) {
          for (const { number, name } of decodeCatalogue(block.body)) {
            this.names.set(number, name);
            this.sightings.push({ type: 'catalogue', series: name });
          }
        } else if (block.body.length > 0) {
          for (const part of decodeBlock(block.body)) this.unnamed.push({ type, number: part.series });
        }
      }
    }
  }
}

function readIdentity(file: string): Identity {
  const stored = JSON.parse(readFileSync(file, 'utf8')) as Record<
    'sign' | 'agree',
    Record<'publicKey' | 'privateKey', string>
  >;
  const pair = (use: 'sign' | 'agree'): Identity['sign'] => ({
    publicKey: Uint8Array.from(Buffer.from(stored[use].publicKey, 'hex')),
    privateKey: Uint8Array.from(Buffer.from(stored[use].privateKey, 'hex')),
  });
  return { sign: pair('sign'), agree: pair('agree') };
}
