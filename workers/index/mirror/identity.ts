/**
 * Which database this is, and how far it has come: a record of the `head` store that every writing
 * transaction moves on. By it a database and a mirror know each other.
 *
 * `origin` is drawn when a database is made and stays. `lineage` is drawn anew whenever a database begins
 * to be written by somebody who could not read the mirror: what the mirror holds is then no longer known
 * to be a part of its history. Within a lineage, equal numbers mean equal content.
 */
import { isObject } from '../body.ts';
import type { ReadTransaction } from '../storage/storage.ts';

export const IDENTITY_KEY = 'mirror';

export interface Identity {
  readonly origin: string;
  readonly lineage: string;
}

export interface IdentityRecord extends Identity {
  /** Counts the transactions that changed anything but derived state. */
  readonly number: number;
  /** A restoring that did not come to its end: how far into which log. */
  readonly restoring?: { readonly log: string; readonly offset: number };
}

/** What a database says of itself. */
export interface Present {
  /** Null: no transaction of this program has changed it. */
  readonly record: IdentityRecord | null;
  /** Commits of the store; 0 where nothing was ever stored. */
  readonly sequence: number;
}

export async function readPresent(tx: ReadTransaction): Promise<Present> {
  const record = parseIdentity(await tx.get('head', IDENTITY_KEY));
  const head = await tx.get('head', 'head');
  const sequence = isObject(head) && Number.isSafeInteger(head.sequence) ? head.sequence : 0;
  return { record, sequence: sequence as number };
}

/** Null for anything else: a database of unknown history, which begins a lineage of its own. */
export function parseIdentity(value: unknown): IdentityRecord | null {
  return isIdentity(value) ? (value as IdentityRecord) : null;
}

function isIdentity(value: unknown): boolean {
  if (!isObject(value) || !Number.isSafeInteger(value.number)) return false;
  return isId(value.origin) && isId(value.lineage) && isRestoring(value.restoring);
}

function isRestoring(value: unknown): boolean {
  if (value === undefined) return true;
  return isObject(value) && isId(value.log) && Number.isSafeInteger(value.offset);
}

export function isId(value: unknown): value is string {
  return typeof value === 'string' && value.length > 0 && value.length <= 64;
}
