/** Steps that every kill run has: an engine that may write, a stream, and the moment at which it is struck. */
import type { FaultTab, Profile } from '../faults/harness/profile.ts';
import type { Change, RowVersion } from '../faults/harness/rows.ts';
import type { Seeded } from '../faults/harness/seeded.ts';

export const ORDER = { collectionName: 'rows', dimension: 32 } as const;

/** The longest wait after the last confirmation before the blow; a change takes 2 to 20 ms. */
const MAX_DELAY_MS = 25;
const LEAD_MS = 10_000;

/** A tab whose engine is open and leads. A tab that was killed may hold its lock for some milliseconds yet. */
export async function openEngine(profile: Profile, url: string, name: string): Promise<FaultTab> {
  const tab = await profile.tab(url);
  await tab.page.evaluate((engine) => window.faultPage.open({ name: engine }), name);
  await tab.page.waitForFunction(
    () => window.faultPage.status().store?.role === 'leader',
    undefined,
    { timeout: LEAD_MS },
  );
  return tab;
}

/**
 * Starts the stream and comes back at a seeded moment in it. Returns whether calls were under way then:
 * what was not confirmed yet when the blow fell.
 */
export async function runUntil(
  tab: FaultTab,
  changes: readonly Change[],
  random: Seeded,
): Promise<boolean> {
  const confirmations = random.int(0, Math.floor(changes.length * 0.8));
  const inFlight = random.int(1, 3);
  let failed: unknown = null;
  const stream = { ...ORDER, changes, first: 0, inFlight };
  tab.page
    .evaluate((order) => window.faultPage.run(order), stream)
    .catch((error: unknown) => {
      failed = error;
    });
  const moment = random.next() * MAX_DELAY_MS;
  while (tab.acked.length < confirmations) {
    if (failed !== null) throw failed;
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  await new Promise((resolve) => setTimeout(resolve, moment));
  return tab.acked.length < changes.length;
}

/** Changes that the page said were confirmed; it confirms them in their order. */
export function confirmedOf(tab: FaultTab): number {
  return Math.max(-1, ...tab.acked) + 1;
}

/** The rows of a tab's engine; throws where one is torn, doubled or not found by its own vector. */
export async function wholeRows(tab: FaultTab): Promise<readonly RowVersion[] | null> {
  const seen = await tab.page.evaluate((order) => window.faultPage.look(order), ORDER);
  if (seen.wrong.length > 0) throw new Error(`not whole: ${seen.wrong.slice(0, 5).join('; ')}`);
  return seen.rows;
}

/** Ends the engine and the tab as a user does; throws what the page complained of. */
export async function endTab(tab: FaultTab): Promise<void> {
  await tab.page.evaluate(() => window.faultPage.close());
  if (tab.complaints.length > 0) throw new Error(tab.complaints.join('; '));
  await tab.page.close();
}

/** Makes the collection that the streams change. */
export async function createRows(profile: Profile, url: string, name: string): Promise<void> {
  const tab = await openEngine(profile, url, name);
  await tab.page.evaluate((order) => window.faultPage.create(order), ORDER);
  await endTab(tab);
}
