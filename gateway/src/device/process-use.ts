/** What this process takes of the machine: resident memory, and since its start processor time and busy event loop. */
export function processUse(): { residentBytes: number; cpuSeconds: number; busySeconds: number } {
  const { user, system } = process.cpuUsage();
  return {
    residentBytes: process.memoryUsage.rss(),
    cpuSeconds: (user + system) / 1e6,
    busySeconds: performance.eventLoopUtilization().active / 1000,
  };
}
