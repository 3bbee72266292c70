/** What one device has measured: metric -> value, in the order in which the device names them. */
export type Measured = Readonly<Record<string, number | boolean>>;

/** How a device writes its message. */
export type Shape = (measured: Measured, time: number) => string;

/** Firmware that sends nothing but the number: `3.14`. */
export const bare: Shape = (measured) => String(Object.values(measured)[0]);

/** A controller that stamps its readings: `{"value":3.14,"timestamp":1763704800000}`. */
export const stamped: Shape = (measured, time) =>
  JSON.stringify({ value: Object.values(measured)[0], timestamp: time });

/** zigbee2mqtt: the device's properties in one object, link quality and battery among them. */
export const zigbee2mqtt: Shape = (measured) => JSON.stringify({ battery: 91, ...measured, linkquality: 120 });

/** Tasmota's SENSOR telegram: a local time stamp in UTC and one object for the chip. */
export const tasmota =
  (chip: string): Shape =>
  (measured, time) =>
    JSON.stringify({ Time: new Date(time).toISOString().slice(0, 19), [chip]: measured, TempUnit: 'C' });

/** A component status of a Shelly of the second generation. */
export const shelly: Shape = (measured) => JSON.stringify({ id: 0, output: true, ...measured });

/** SenML (RFC 8428): a pack with a base name and base time in seconds. */
export const senml =
  (units: Readonly<Record<string, string>>): Shape =>
  (measured, time) =>
    JSON.stringify(
      Object.entries(measured).map(([n, v], i) => ({ ...(i === 0 ? { bt: time / 1000 } : {}), n, u: units[n], v })),
    );
