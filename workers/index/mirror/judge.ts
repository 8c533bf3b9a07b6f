/** What is found on taking the lead, and what it means. Pure. */
import type { Stamp } from './frame.ts';
import type { Identity, Present } from './identity.ts';
import type { FoundLog } from './log-reader.ts';
import type { Marker } from './marker.ts';

/** What lies in OPFS. */
export interface Survey {
  readonly marker: Marker | 'damaged' | null;
  readonly log: FoundLog | null;
}

export type Verdict =
  /** Nothing was ever here. */
  | { readonly kind: 'fresh' }
  /** The mirror has all that the database has: go on. */
  | { readonly kind: 'current' }
  /**
   * The mirror lacks changes, or is of another database: it is written anew from the database. `lost`: how
   * far something had come that neither of them is to have any more.
   */
  | { readonly kind: 'behind'; readonly lost: Stamp | null }
  /** The database lost its newest changes, which the mirror has. */
  | { readonly kind: 'tail' }
  /** The database is gone, and the mirror has it. */
  | { readonly kind: 'restore' }
  /** The database is gone, and so is the mirror. `last`: how far it had come, where that is known. */
  | { readonly kind: 'lost'; readonly last: Stamp | null };

export function judge(present: Present, survey: Survey): Verdict {
  const { record, sequence } = present;
  const { log } = survey;
  if (record !== null && log !== null && record.lineage === log.lineage && !record.restoring) {
    return compare(record.number, log);
  }
  // Nothing stored, or a restoring that was cut: whatever the mirror has is more.
  if (sequence === 0 || record?.restoring) {
    if (log !== null && log.last.sequence > 0) return { kind: 'restore' };
    return withoutLog(survey.marker);
  }
  return { kind: 'behind', lost: strange(record, log) ?? missing(present, survey.marker) };
}

function compare(number: number, log: FoundLog): Verdict {
  if (number === log.last.number) return { kind: 'current' };
  if (number > log.last.number) return { kind: 'behind', lost: null };
  return { kind: number >= log.base ? 'tail' : 'restore' };
}

function withoutLog(marker: Survey['marker']): Verdict {
  if (marker === 'damaged') return { kind: 'lost', last: null };
  if (marker === null || marker.last.sequence === 0) return { kind: 'fresh' };
  return { kind: 'lost', last: marker.last };
}

/** The last change of another database's mirror; an older copy of this one's tells nothing new. */
function strange(record: Identity | null, log: FoundLog | null): Stamp | null {
  if (log === null || log.last.sequence === 0) return null;
  return record?.origin === log.origin ? null : log.last;
}

/** The database is where it once was, before the marker: it lost its newest changes. */
function missing({ record }: Present, marker: Survey['marker']): Stamp | null {
  if (record === null || marker === null || marker === 'damaged') return null;
  const older = record.lineage === marker.lineage && record.number < marker.last.number;
  return older ? marker.last : null;
}
