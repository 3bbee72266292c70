import type uPlot from 'uplot';

import type { AlertView } from '../api/contract.ts';
import type { Interval } from './ranges.ts';

/** What is drawn on a chart beside its lines. */
export interface Marks {
  gaps: readonly Interval[];
  alerts: readonly AlertView[];
}

export interface Colours {
  text: string;
  grid: string;
  mean: string;
  narrow: string;
  wide: string;
  gap: string;
  alert: Record<AlertView['severity'], string>;
  surface: string;
  font: string;
}

/** The colours of the style sheet, as they are now (light or dark). */
export function readColours(element: Element): Colours {
  const style = getComputedStyle(element);
  const colour = (name: string): string => style.getPropertyValue(name).trim();
  return {
    text: colour('--quiet'),
    grid: colour('--line'),
    mean: colour('--mean'),
    narrow: colour('--band-narrow'),
    wide: colour('--band-wide'),
    gap: colour('--gap'),
    alert: { info: colour('--info'), warning: colour('--warning'), critical: colour('--critical') },
    surface: colour('--surface'),
    font: `12px ${style.fontFamily}`,
  };
}

/** Under the lines: hatching where nothing was measured, a tint for as long as an alert was open. */
export function drawStretches(plot: uPlot, { gaps, alerts }: Marks, colours: Colours): void {
  const { ctx, bbox } = plot;
  ctx.save();
  ctx.beginPath();
  ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
  ctx.clip();
  for (const { from, to } of gaps) hatch(plot, xOf(plot, from), xOf(plot, to), colours.gap);
  for (const alert of alerts) {
    const left = xOf(plot, alert.time);
    const right = xOf(plot, alert.closed ?? Date.now());
    ctx.globalAlpha = 0.1;
    ctx.fillStyle = colours.alert[alert.severity];
    ctx.fillRect(left, bbox.top, Math.max(2, right - left), bbox.height);
  }
  ctx.restore();
}

/** Over the lines: a ring at the value that opened each alert, at the top edge when the value is not a number. */
export function drawAlertMarks(plot: uPlot, { alerts }: Marks, colours: Colours): void {
  const { ctx, bbox } = plot;
  const unit = devicePixelRatio;
  ctx.save();
  for (const alert of alerts) {
    const x = xOf(plot, alert.time);
    if (x < bbox.left || x > bbox.left + bbox.width) continue;
    const value = typeof alert.value === 'string' ? Number.NaN : Number(alert.value);
    const inside = plot.valToPos(value, 'y', true);
    const y = Number.isFinite(inside) ? clamp(inside, bbox.top, bbox.top + bbox.height) : bbox.top;
    ctx.strokeStyle = colours.alert[alert.severity];
    ctx.fillStyle = colours.surface;
    ctx.lineWidth = 1 * unit;
    ctx.beginPath();
    ctx.moveTo(x, bbox.top);
    ctx.lineTo(x, bbox.top + bbox.height);
    ctx.setLineDash([3 * unit, 3 * unit]);
    ctx.stroke();
    ctx.setLineDash([]);
    ctx.lineWidth = 2.5 * unit;
    ctx.beginPath();
    ctx.arc(x, y, 5 * unit, 0, 2 * Math.PI);
    ctx.fill();
    ctx.stroke();
  }
  ctx.restore();
}

function hatch(plot: uPlot, left: number, right: number, colour: string): void {
  const { ctx, bbox } = plot;
  const step = 8 * devicePixelRatio;
  ctx.save();
  ctx.beginPath();
  ctx.rect(left, bbox.top, right - left, bbox.height);
  ctx.clip();
  ctx.strokeStyle = colour;
  ctx.lineWidth = devicePixelRatio;
  ctx.beginPath();
  const from = Math.max(left, bbox.left) - bbox.height;
  const to = Math.min(right, bbox.left + bbox.width);
  for (let x = Math.floor(from / step) * step; x < to; x += step) {
    ctx.moveTo(x, bbox.top + bbox.height);
    ctx.lineTo(x + bbox.height, bbox.top);
  }
  ctx.stroke();
  ctx.restore();
}

/** Canvas pixels of a time in epoch milliseconds. */
function xOf(plot: uPlot, time: number): number {
  return plot.valToPos(time / 1000, 'x', true);
}

function clamp(value: number, low: number, high: number): number {
  return Math.min(high, Math.max(low, value));
}
