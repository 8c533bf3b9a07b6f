/**
 * Places in the app, as URL hashes: every turn has an address.
 */

export type View = 'ask' | 'records' | 'learning' | 'status';

export interface Route {
  readonly view: View;
  /** The turn that is shown; null: the newest, or none yet. */
  readonly turnId: string | null;
}

export const VIEWS: readonly View[] = ['ask', 'records', 'learning', 'status'];

const MAX_ID = 200;

/** Parses a hash. What is not a place of ours is the Ask screen. */
export function parseRoute(hash: string): Route {
  const [head = '', tail = ''] = hash.replace(/^#/, '').split('/', 2);
  if (head === 'turn' && tail !== '') return { view: 'ask', turnId: decode(tail) };
  const view = VIEWS.find((name) => name === head);
  return { view: view ?? 'ask', turnId: null };
}

export function turnHash(id: string): string {
  return `#turn/${encodeURIComponent(id)}`;
}

function decode(part: string): string | null {
  try {
    return decodeURIComponent(part).slice(0, MAX_ID);
  } catch {
    return null;
  }
}
