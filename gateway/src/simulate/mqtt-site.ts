import type { Clock } from '@tidegate/nodes/node';
import type { MqttClient } from 'mqtt';

import { connectSensor } from '../sensor/mqtt-sensor.ts';
import { DEVICE_NAMES, Plant } from './plant.ts';

export interface SiteOptions {
  /** The gateway's broker. */
  url: string;
  seed: number;
  /** Milliseconds between two messages of a sensor. */
  periodMs: number;
  onFault: (text: string) => void;
}

/** Messages of one sensor that may wait for their acknowledgement; a real one has little memory. */
const MAX_UNACKNOWLEDGED = 30;

/** The simulated site with real MQTT clients, one for each sensor, QoS 1. */
export class Site {
  private readonly options: SiteOptions;
  private readonly clock: Clock;
  private readonly plant: Plant;
  private clients: MqttClient[] = [];
  private readonly waiting: number[] = [];
  private timers: NodeJS.Timeout[] = [];

  constructor(options: SiteOptions, clock: Clock) {
    this.options = options;
    this.clock = clock;
    this.plant = new Plant(options.seed, clock.now());
  }

  start(): void {
    this.clients = DEVICE_NAMES.map((name) => {
      const client = connectSensor({ url: this.options.url, clientId: `site-${name}` });
      // A broker that is away is no error of the sensor: it comes back by itself.
      client.on('error', () => undefined);
      return client;
    });
    for (const device of this.clients.keys()) {
      this.waiting[device] = 0;
      // Spread over the period, so that the sensors do not speak all at once.
      const offset = (this.options.periodMs * device) / this.clients.length;
      this.timers.push(
        setTimeout(() => {
          this.timers[device] = setInterval(() => this.speak(device), this.options.periodMs);
          this.speak(device);
        }, offset),
      );
    }
  }

  async stop(): Promise<void> {
    for (const timer of this.timers) clearTimeout(timer);
    await Promise.all(this.clients.map((client) => client.endAsync(true)));
    this.timers = [];
    this.clients = [];
  }

  private speak(device: number): void {
    const now = this.clock.now();
    const fault = this.plant.advance(now);
    if (fault !== undefined) this.options.onFault(fault.text);
    if (this.waiting[device] >= MAX_UNACKNOWLEDGED) return;
    const { topic, payload } = this.plant.telegram(device, now);
    this.waiting[device]++;
    this.clients[device].publish(topic, payload, { qos: 1 }, () => this.waiting[device]--);
  }
}
