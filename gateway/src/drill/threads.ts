/** What the drill's threads are asked, one answer for each question. */
export type LinkAsk = 'cut' | 'restore' | 'carried' | 'packets' | 'close';
/** `hour`: blocks of the hour that begins then, epoch milliseconds. */
export type BacklogAsk = 'close' | { hour: number };
export type MadeBlocks = { stream: string; body: Uint8Array; tally: Uint8Array }[];
export type CloudAsk = 'token' | 'problems' | 'close';

/** Answer to the question of this id; id 0 says that the thread is ready. */
export type Answer = { id: number; value: unknown } | { id: number; error: string };
