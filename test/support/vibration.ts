import type { RawClient } from './mqtt-client.ts';

/** A pump that runs well for 380 seconds and then shakes ten times as much for twenty: detection as shipped raises one alert. */
export async function vibrate(sensor: RawClient): Promise<void> {
  const start = Date.now() - 400_000;
  for (let i = 0; i < 400; i++) {
    const value = i < 380 ? (3 + 0.1 * Math.sin(i * 12.9898)).toFixed(3) : '30';
    sensor.publish('site/pump/vibration', `{"timestamp":${start + i * 1_000},"value":${value}}`);
  }
  await sensor.until(() => sensor.acknowledged.size === 400);
}
