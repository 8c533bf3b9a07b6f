/** How many embed workers multiply side by side. */

/** What the platform says of itself. */
export interface DeviceFacts {
  /** Threads; undefined where the browser does not say. */
  readonly hardwareConcurrency?: number | undefined;
  /** GiB, rounded and at most 8 (Chromium); undefined elsewhere. */
  readonly deviceMemory?: number | undefined;
}

const MIN = 2;
const MAX = 4;
/** GiB of memory up to which one worker (some 50 MB with its model) is all that is taken. */
const SMALL_MEMORY = 1;

/**
 * What the caller asked for, else one less than there are cores, 2..4: the page and the index worker need
 * one, too. A device with 1 GiB of memory or less has one worker.
 */
export function poolSize(facts: DeviceFacts, asked: number | null): number {
  if (asked !== null) return asked;
  if ((facts.deviceMemory ?? Number.POSITIVE_INFINITY) <= SMALL_MEMORY) return 1;
  return Math.min(MAX, Math.max(MIN, (facts.hardwareConcurrency ?? MIN) - 1));
}
