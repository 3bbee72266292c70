import type { VNode } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import uPlot from 'uplot';

import type { AlertView } from '../api/contract.ts';
import { lonelyPoints, type ChartData } from './chart-data.ts';
import { drawAlertMarks, drawStretches, readColours, type Colours, type Marks } from './chart-draw.ts';
import * as format from './format.ts';
import { html } from './html.ts';
import type { Interval } from './ranges.ts';

export interface ChartProps {
  data: ChartData;
  interval: Interval;
  gaps: readonly Interval[];
  alerts: readonly AlertView[];
  kind: 'number' | 'boolean';
  /** What the chart shows, in words. */
  label: string;
  zoom: (interval: Interval) => void;
  /** Back to the usual stretch of time. */
  reset: () => void;
  /** Row under the pointer, null when there is none. */
  hover: (row: number | null) => void;
}

/** Pixels that a drag must span to be a zoom and not a click. */
const LEAST_DRAG = 6;

/** Mean as a line, p10 to p90 and min to max as bands around it, gaps hatched, alerts marked; drag to zoom. */
export function Chart(props: ChartProps): VNode {
  const box = useRef<HTMLDivElement>(null);
  const newest = useRef(props);
  newest.current = props;
  const plot = useRef<uPlot | null>(null);
  const dark = useDark();
  useEffect(() => {
    const element = box.current;
    if (element === null) return undefined;
    const own = new uPlot(optionsFor(newest, readColours(element), sizeOf(element)), [[]], element);
    plot.current = own;
    own.setData(columnsOf(newest.current));
    const observer = new ResizeObserver(() => own.setSize(sizeOf(element)));
    observer.observe(element);
    return () => {
      observer.disconnect();
      own.destroy();
    };
  }, [dark, props.kind]);
  useEffect(
    () => plot.current?.setData(columnsOf(props)),
    [props.data, props.interval.from, props.interval.to, props.alerts],
  );
  return html`<div class="chart" role="img" aria-label=${props.label} ref=${box}></div>`;
}

function columnsOf({ data, interval }: ChartProps): uPlot.AlignedData {
  if (data.x.length > 0) return [data.x, data.max, data.min, data.p90, data.p10, data.mean];
  const empty = [null, null];
  return [[interval.from / 1000, interval.to / 1000], empty, empty, empty, empty, empty];
}

function optionsFor(
  newest: { current: ChartProps },
  colours: Colours,
  size: { width: number; height: number },
): uPlot.Options {
  const { kind } = newest.current;
  const marks = (): Marks => newest.current;
  const edge = { stroke: 'transparent', width: 0, points: { show: false } };
  const axis = {
    stroke: colours.text,
    grid: { stroke: colours.grid, width: 1 },
    ticks: { show: false },
    font: colours.font,
  };
  return {
    ...size,
    padding: [16, 16, 0, 0],
    legend: { show: false },
    scales: {
      x: { time: true, range: () => [newest.current.interval.from / 1000, newest.current.interval.to / 1000] },
      y: kind === 'boolean' ? { range: [-0.08, 1.08] } : { range: (_plot, low, high) => padded(low, high) },
    },
    axes: [
      {
        ...axis,
        size: 34,
        space: 80,
        values: (_plot, splits, _axis, _space, step) => splits.map((at) => tick(at * 1000, step)),
      },
      {
        ...axis,
        size: 52,
        ...(kind === 'boolean' && { splits: () => [0, 0.5, 1] }),
        values: (_plot, splits) => splits.map((at) => (kind === 'boolean' ? switchTick(at) : format.number(at))),
      },
    ] as uPlot.Axis[],
    series: [
      {},
      edge,
      edge,
      edge,
      edge,
      {
        stroke: colours.mean,
        width: 2,
        points: {
          size: 6,
          fill: colours.mean,
          filter: (plot, row, show) => (show ? null : lonelyPoints(plot.data[row] ?? [])),
        },
      },
    ],
    bands: [
      { series: [1, 2], fill: colours.wide },
      { series: [3, 4], fill: colours.narrow },
    ],
    cursor: {
      y: false,
      points: { one: true, size: 8, fill: colours.mean },
      drag: { x: true, y: false, setScale: false, dist: LEAST_DRAG },
      bind: { dblclick: () => () => (newest.current.reset(), null) },
    },
    hooks: {
      drawClear: [(plot) => drawStretches(plot, marks(), colours)],
      draw: [(plot) => drawAlertMarks(plot, marks(), colours)],
      setCursor: [(plot) => newest.current.hover(plot.cursor.idx ?? null)],
      setSelect: [(plot) => select(plot, newest.current)],
    },
  };
}

function select(plot: uPlot, { zoom }: ChartProps): void {
  const { left, width } = plot.select;
  if (width < LEAST_DRAG) return;
  const at = (x: number): number => plot.posToVal(x, 'x') * 1000;
  zoom({ from: at(left), to: at(left + width) });
  plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
}

/** A tenth of room above and below; a flat line gets room in proportion to its height. */
function padded(low: number | null, high: number | null): [number, number] {
  if (low === null || high === null) return [0, 1];
  const room = high > low ? (high - low) * 0.1 : Math.max(Math.abs(high) * 0.02, 0.5);
  return [low - room, high + room];
}

const DAY = 86_400;
const language = typeof document === 'undefined' ? 'en' : navigator.language;
const seconds = new Intl.DateTimeFormat(language, { hour: '2-digit', minute: '2-digit', second: '2-digit' });
const minutes = new Intl.DateTimeFormat(language, { hour: '2-digit', minute: '2-digit' });
const days = new Intl.DateTimeFormat(language, { month: 'short', day: 'numeric' });

function tick(at: number, step: number): string {
  if (step >= DAY) return days.format(at);
  const date = new Date(at);
  if (date.getHours() === 0 && date.getMinutes() === 0 && date.getSeconds() === 0) return days.format(at);
  return step >= 60 ? minutes.format(at) : seconds.format(at);
}

function switchTick(at: number): string {
  return at === 0 ? 'off' : at === 1 ? 'on' : format.share(at);
}

function sizeOf(box: HTMLElement): { width: number; height: number } {
  return { width: Math.max(200, box.clientWidth), height: Math.max(160, box.clientHeight) };
}

function useDark(): boolean {
  const [dark, setDark] = useState(() => matchMedia('(prefers-color-scheme: dark)').matches);
  useEffect(() => {
    const query = matchMedia('(prefers-color-scheme: dark)');
    const changed = (): void => setDark(query.matches);
    query.addEventListener('change', changed);
    return () => query.removeEventListener('change', changed);
  }, []);
  return dark;
}
