/**
 * What the engineer of the simulated waterworks has set in the flow, as rules of tide-detect. Limits know what is
 * dangerous, so the same fault is reported each time it comes, also when the detector that learns has grown used to it.
 */
export const PLANT_LIMITS = [
  // mm/s, the boundaries of zones C and D for medium machines (ISO 10816-3).
  { series: 'site/+/vibration', kind: 'limits', high: 4.5, criticalHigh: 7.1, hysteresis: 0.5, delaySeconds: 2 },
  // °C at the outer ring.
  { series: 'site/+/bearing-temperature', kind: 'limits', high: 56, criticalHigh: 70, hysteresis: 1, delaySeconds: 2 },
  // W; the motors are rated at 1.75 kW.
  { series: 'site/+/power/apower', kind: 'limits', high: 1750, criticalHigh: 2100, hysteresis: 50, delaySeconds: 2 },
  // m; below 1.5 m the pumps draw air.
  { series: 'site/+/level', kind: 'limits', low: 2.5, criticalLow: 1.5, high: 4.2, hysteresis: 0.03, delaySeconds: 2 },
  // bar; the pipe is built for 8.
  { series: 'site/outlet/pressure', kind: 'limits', high: 6.5, criticalHigh: 8, hysteresis: 0.3, delaySeconds: 2 },
  // °C; cooler or warmer nobody can work there, and a thermometer that says so is broken.
  { series: 'site/control-room/temperature', kind: 'limits', low: 10, high: 32, hysteresis: 1, delaySeconds: 2 },
] as const;
