import { TlsStore, type CertificateFacts } from '../node/file-tls.ts';
import { checkBroker, type BrokerOptions } from './broker-place.ts';
import type { FrameType } from './messages.ts';
import { MqttLane, type ConnectionName, type TransportEvents } from './mqtt-lane.ts';
import type { Lane, Transport } from './transport.ts';

/** Two connections to the cloud's broker, one for alerts and one for everything else, each with its own reconnection. */
export class MqttTransport implements Transport {
  private readonly lanes: Record<Lane, MqttLane>;
  private readonly store: TlsStore;

  constructor(broker: BrokerOptions, name: ConnectionName, events: TransportEvents) {
    checkBroker(broker);
    this.store = new TlsStore(broker.tls ?? {});
    const random = Math.random;
    this.lanes = {
      alert: new MqttLane('alert', broker, this.store, name, events, random),
      bulk: new MqttLane('bulk', broker, this.store, name, events, random),
    };
  }

  start(): void {
    this.lanes.bulk.start();
    this.lanes.alert.start();
  }

  async stop(): Promise<void> {
    await Promise.all([this.lanes.alert.stop(), this.lanes.bulk.stop()]);
  }

  send(lane: Lane, type: FrameType, frame: Uint8Array): boolean {
    return this.lanes[lane].send(type, frame);
  }

  /** The certificate that was shown to the broker last. */
  get certificate(): CertificateFacts | undefined {
    return this.store.certificate;
  }
}
