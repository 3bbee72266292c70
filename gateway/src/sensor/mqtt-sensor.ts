import { randomBytes } from 'node:crypto';

import { connect, type IClientOptions, type MqttClient, Store } from 'mqtt';

/**
 * Keeps what is unacknowledged and marks it DUP for the next connection (MQTT 3.1.1, section 3.3.1.1): without that a
 * broker cannot tell a message that it gets twice from two equal readings. MQTT.js itself sends it without the mark.
 */
class ResendStore extends Store {
  override put(...[packet, done]: Parameters<Store['put']>): this {
    if (packet.cmd === 'publish') packet.dup = true;
    return super.put(packet, done);
  }
}

export interface SensorOptions {
  url: string;
  clientId?: string;
  username?: string;
  password?: string;
  /** Milliseconds until the next try after a lost connection. */
  reconnectMs?: number;
  will?: IClientOptions['will'];
}

/** An MQTT client that behaves as a good sensor: it comes back by itself and sends what was not acknowledged again. */
export function connectSensor(options: SensorOptions): MqttClient {
  return connect(options.url, {
    protocolVersion: 4,
    clean: true,
    clientId: options.clientId ?? `tidegate-${randomBytes(6).toString('hex')}`,
    username: options.username,
    password: options.password,
    reconnectPeriod: options.reconnectMs ?? 1_000,
    connectTimeout: 10_000,
    keepalive: 30,
    outgoingStore: new ResendStore(),
    ...(options.will === undefined ? {} : { will: options.will }),
  });
}
