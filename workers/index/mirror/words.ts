/** What the status says of the mirror; each sentence says what happened, what is kept and what to do. */
import type { Stamp } from './frame.ts';

function when({ at }: Stamp): string {
  return at > 0 ? new Date(at).toISOString() : 'a time that is not known';
}

function change(stamp: Stamp): string {
  return `change ${stamp.sequence} (${when(stamp)})`;
}

export function restoredWords(last: Stamp): string {
  return `The database was gone and came back from its mirror, up to ${change(last)}. What was changed after that, if anything was, is lost.`;
}

export function restoredWholeWords(last: Stamp): string {
  return `The browser removed the database while it was in use; all of it came back from its mirror, up to ${change(last)}.`;
}

export function restoredTailWords(from: number, last: Stamp): string {
  return `The database had lost its ${last.number - from} newest changes; they came back from its mirror, up to ${change(last)}.`;
}

export function inMemoryWords(last: Stamp): string {
  return `The database cannot be opened; what its mirror has, up to ${change(last)}, is here to be read and exported. What is changed now ends with the page.`;
}

export function lostWords(last: Stamp | null): string {
  const how = last === null ? '' : `, up to ${change(last)},`;
  return `There were records here${how} and neither the database nor its mirror has them any more. The store starts empty; import an export if you have one.`;
}

export function partlyLostWords(last: Stamp): string {
  return `Something was stored here up to ${change(last)} that the database does not have, and its mirror cannot bring it back. What is here now is kept; import an export if you have one.`;
}

export function unmirroredWords(why: string, through: Stamp | null): string {
  const since = through === null ? 'Records lie' : `What was changed after ${change(through)} lies`;
  return `The mirror cannot be written (${why}). ${since} in the database only; it is tried again.`;
}

export const NO_OPFS =
  'This browser gives the page no files of its own (OPFS), so there is no mirror: records lie in the database only.';

export const TOO_NEW =
  'The mirror was written by a later version of this program and is left as it is; what is changed now lies in the database only. Reload to get that version.';
