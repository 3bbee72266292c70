import type { VNode } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';

import type { SeriesView, SummaryView } from '../api/contract.ts';
import { fetchWindows } from './api.ts';
import { inUnit, unitOf } from './chart-data.ts';
import { html } from './html.ts';
import { inWords } from './load.ts';
import { intervalOf, resolutionFor } from './ranges.ts';
import { SPARK, sparkPath } from './spark-path.ts';

/** Most windows of one sparkline. */
const MAX_POINTS = 120;

/** The recent course of a series, asked for when it scrolls into sight and whenever a window closes. */
export function Sparkline({ gateway, series }: { gateway: string; series: SeriesView }): VNode {
  const box = useRef<HTMLDivElement>(null);
  const inSight = useInSight(box);
  const { path, problem } = useCourse(gateway, series, inSight);
  return html`<div class="spark" ref=${box} title=${problem ?? undefined} aria-hidden="true">
    ${problem !== null && html`<span class="spark-problem">no curve</span>`}
    ${
      path !== '' &&
      html`<svg viewBox=${`0 0 ${SPARK.width} ${SPARK.height}`} preserveAspectRatio="none">
        <path d=${path} vector-effect="non-scaling-stroke" />
      </svg>`
    }
  </div>`;
}

function useCourse(gateway: string, series: SeriesView, wanted: boolean): { path: string; problem: string | null } {
  const [course, setCourse] = useState<{ path: string; problem: string | null }>({ path: '', problem: null });
  useEffect(() => {
    if (!wanted || series.kind === 'string' || series.lastWindow === null) return undefined;
    const ended = new AbortController();
    const interval = intervalOf({ span: 'auto' }, series, Date.now());
    const resolution = resolutionFor(interval, series.resolutions, MAX_POINTS);
    fetchWindows({ gateway, series: series.series, resolution }, interval, ended.signal).then(
      (windows: SummaryView[]) =>
        setCourse({ path: sparkPath(inUnit(windows, unitOf(windows, series)), interval), problem: null }),
      (error: unknown) => {
        if (!ended.signal.aborted) setCourse(({ path }) => ({ path, problem: inWords(error) }));
      },
    );
    return () => ended.abort();
  }, [gateway, series.series, series.lastWindow, wanted]);
  return course;
}

/** True from the moment on at which the element is nearly to be seen. */
function useInSight(box: { current: HTMLElement | null }): boolean {
  const [seen, setSeen] = useState(false);
  useEffect(() => {
    if (box.current === null) return undefined;
    const observer = new IntersectionObserver(
      (entries) => {
        if (!entries.some((entry) => entry.isIntersecting)) return;
        setSeen(true);
        observer.disconnect();
      },
      { rootMargin: '200px' },
    );
    observer.observe(box.current);
    return () => observer.disconnect();
  }, []);
  return seen;
}
