/** How often an operator puts up with a false alarm, in words. */
export const SENSITIVITIES = ['low', 'normal', 'high'] as const;
export type Sensitivity = (typeof SENSITIVITIES)[number];

/** False alarms that are aimed at for one series in 30 days: one a quarter, one a month, one a week. */
export function alarmsPerMonth(sensitivity: Sensitivity): number {
  return { low: 1 / 3, normal: 1, high: 30 / 7 }[sensitivity];
}
