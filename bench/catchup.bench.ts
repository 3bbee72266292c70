/**
 * What `tidegate drill outage` measures, twice: after 30 days and after one day without a link, 1,000 series, through a
 * link of 10 Mbit/s and 50 ms each way. Gateway, link and cloud are real, in threads of one process on this machine.
 */
import { systemClock } from '@tidegate/nodes/node';
import type { DrillResult } from '../gateway/src/drill/drill-result.ts';
import { checkRoom, makeWorkplace, needsOf } from '../gateway/src/drill/file-workplace.ts';
import { shapeOf } from '../gateway/src/drill/link-shape.ts';
import { drillOutage } from '../gateway/src/drill/outage-drill.ts';
import type { Report } from './support/report.ts';

const SERIES = 1000;
const LINK = shapeOf(10e6, 50);
/** All of the fine fill takes some ten minutes; its pace is measured over the first part. */
const FINE_SECONDS = 120;
const TELL_EVERY_MS = 10_000;

export async function run(progress: (text: string) => void): Promise<Report> {
  const day = await outage(1, progress);
  const month = await outage(30, progress, FINE_SECONDS);
  const { live, alerts, share } = month;
  if (live === null || alerts === null || share.fine === null)
    throw new Error('no live window, no alert or no fine block came through the link');
  const hours = completeAt(month, 3_600);
  return {
    figures: {
      coarse_complete_s: hours,
      day_complete_s: completeAt(month, 86_400),
      quarter_complete_s: completeAt(month, 900),
      live_late_p50_s: live.p50,
      live_late_max_s: live.max,
      alert_p50_ms: alerts.p50,
      alert_p99_ms: alerts.p99,
      alert_max_ms: alerts.max,
      fill_link_share: share.fine,
      fill_measured_s: month.fineSeconds,
      day_gap_s: day.upToDate!,
      connected_after_s: month.connected,
      day_gap_connected_after_s: day.connected,
      bytes_a_window: day.wire.bytesAWindow!,
      frames_again: month.frames.again + day.frames.again,
    },
    goals: {
      coarse_complete_s: { max: 30 },
      live_late_max_s: { max: 5 },
      alert_p99_ms: { max: 250 },
      fill_link_share: { min: 0.8 },
      day_gap_s: { max: 30 },
    },
    notes: [
      'seconds count from the moment at which the link is back; the gateway is connected again connected_after_s later',
      `fill_link_share: over the first ${Math.round(month.fineSeconds)} s of the fill at 1 min; payload of TCP over the link's capacity`,
      'live windows are sealed every 5 s and sent in batches of 1 s; late by: until the cloud’s API answers with them, asked every 200 ms',
      `alerts: from raising at the gateway to the cloud's commit, ${alerts.raised} of them, 200 ms apart`,
      'gateway, link and cloud share this machine',
    ],
  };
}

async function outage(days: number, progress: (text: string) => void, fineSeconds?: number): Promise<DrillResult> {
  await checkRoom(needsOf(days, SERIES, 0));
  const workplace = await makeWorkplace(undefined);
  let told = performance.now();
  try {
    return await drillOutage({
      ...workplace,
      days,
      series: SERIES,
      link: LINK,
      ...(fineSeconds === undefined ? {} : { fineSeconds }),
      progress: (stage, share, facts) => {
        if (performance.now() - told < TELL_EVERY_MS) return;
        told = performance.now();
        progress(`${days} d, ${stage}: ${Math.floor(share * 100)} %, ${facts}`);
      },
      signal: new AbortController().signal,
      clock: systemClock,
    });
  } finally {
    await workplace.close();
  }
}

function completeAt({ complete }: DrillResult, resolution: number): number {
  const seconds = complete.find((rung) => rung.resolution === resolution)?.seconds;
  if (typeof seconds !== 'number') throw new Error(`the gap was not whole at ${resolution} s when the drill ended`);
  return seconds;
}
