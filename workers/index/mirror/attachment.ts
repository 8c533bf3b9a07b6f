/**
 * Taking over database and mirror together: looks at both, brings back what the database lost, says so, and
 * lets the mirror follow.
 */
import { WhorlError } from '../../../src/shared/errors.ts';
import type { StoreMode } from '../../../src/shared/types.ts';
import type { Storage } from '../storage/storage.ts';
import type { MirrorFiles } from './files.ts';
import { NO_STAMP, type Stamp } from './frame.ts';
import { type Identity, type IdentityRecord, type Present, readPresent } from './identity.ts';
import { judge, type Verdict } from './judge.ts';
import type { FoundLog } from './log-reader.ts';
import { Mirror, type MirrorOptions, reasonOf } from './mirror.ts';
import type { Recording } from './recording.ts';
import { replayTail, restoreAll } from './restore.ts';
import { type FullSurvey, survey } from './survey.ts';
import {
  lostWords,
  NO_OPFS,
  partlyLostWords,
  restoredTailWords,
  restoredWholeWords,
  restoredWords,
  TOO_NEW,
  unmirroredWords,
} from './words.ts';

export interface AttachOptions
  extends Pick<MirrorOptions, 'copy' | 'format' | 'now' | 'monotonic' | 'timer' | 'id'> {
  /** Null: this browser has none. */
  readonly files: MirrorFiles | null;
  /** Enters a mode of the status with its sentence, or leaves it (null). */
  readonly onMode: (mode: StoreMode, why: string | null) => void;
  readonly onThrough: () => void;
}

/** A restored store goes on so much later than what anybody may have cached of changes that are lost. */
const SEQUENCE_JUMP = 2 ** 20;

type Settled = MirrorOptions['settled'];

interface Taken {
  readonly identity: Identity;
  /** Where the database is now. */
  readonly last: Stamp;
  /** What the log has, where it is of this lineage. */
  readonly through: Stamp | null;
  /** The log to go on with; null: another one is to be written. */
  readonly log: FoundLog | null;
  /** A change that the log does not have yet. */
  readonly extra?: Recording | null;
  /** Whether the database has all that it had. */
  readonly whole: boolean;
}

export class Attachment {
  readonly identity: Identity;
  /** Whether the database has all that this tab knew it to have. */
  readonly whole: boolean;
  /** The files could not be read: it is worth while to attach anew, later. */
  readonly unread: boolean;
  readonly #mirror: Mirror | null;
  /** There may be a mirror that this tab cannot touch. */
  readonly #hidden: boolean;
  /** Lineage of the database before the first change; undefined after it. */
  #before: string | null | undefined;
  #last: Stamp;

  private constructor(
    mirror: Mirror | null,
    taken: Taken,
    before: string | null,
    unread: boolean,
    hidden = unread,
  ) {
    this.#mirror = mirror;
    this.#hidden = hidden;
    this.identity = taken.identity;
    this.whole = taken.whole;
    this.unread = unread;
    this.#before = before;
    this.#last = taken.last;
  }

  /** `live`: the last change of a database that was lost while this tab led it. */
  static async take(
    options: AttachOptions,
    storage: Storage,
    settled: Settled,
    live: Stamp | null,
  ): Promise<Attachment> {
    const present = await storage.read(['head'], readPresent);
    const lineage = present.record?.lineage ?? null;
    const { files, copy, onMode } = options;
    const without = (why: string, unread: boolean, hidden = unread): Attachment => {
      onMode('unmirrored', copy ? why : null);
      const taken = unknownTo(options, present, live);
      if (live !== null && !taken.whole) onMode('lost', lostWords(live));
      return new Attachment(null, taken, lineage, unread, hidden);
    };
    if (files === null) return without(NO_OPFS, false);
    let found: FullSurvey;
    try {
      found = await survey(files, options.format);
    } catch (error) {
      return without(unmirroredWords(reasonOf(error), null), true);
    }
    if (found.tooNew) {
      if (present.sequence === 0) throw tooNewError();
      return without(TOO_NEW, false, true);
    }
    const taken = await takeOver({ ...options, files }, storage, present, found, live);
    const mirror = await follow({ ...options, files }, storage, settled, found, taken);
    const now = await storage.read(['head'], readPresent);
    return new Attachment(mirror, taken, now.record?.lineage ?? null, false);
  }

  /** The last change that is in the mirror, on the disk. */
  get through(): Stamp | null {
    return this.#mirror?.through ?? null;
  }

  /** The last change there was. */
  get last(): Stamp {
    return this.#mirror?.last ?? this.#last;
  }

  /** Whether a database with this record is the one that was taken over. */
  knows(record: IdentityRecord | null): boolean {
    const lineage = record?.lineage ?? null;
    if (lineage === this.identity.lineage) {
      this.#before = undefined;
      return true;
    }
    return this.#before !== undefined && lineage === this.#before;
  }

  push(recording: Recording): void {
    if (this.#mirror !== null) {
      this.#mirror.push(recording);
      return;
    }
    const { sequence } = this.#last;
    const { number } = recording;
    this.#last = { number, sequence: recording.sequence ?? sequence, at: this.#last.at };
  }

  async rewrite(signal?: AbortSignal): Promise<void> {
    if (this.#hidden) throw hiddenError();
    await this.#mirror?.rewrite(signal);
  }

  async finish(ms: number): Promise<void> {
    await this.#mirror?.finish(ms);
  }

  async release(): Promise<void> {
    await this.#mirror?.release();
  }

  /** After {@link release}: resolves when nothing of it runs any more. */
  async ended(): Promise<void> {
    await this.#mirror?.ended();
  }
}

function freshIdentity({ id }: AttachOptions): Identity {
  return { origin: id(), lineage: id() };
}

function at({ record, sequence }: Present): Stamp {
  return { ...NO_STAMP, number: record?.number ?? 0, sequence };
}

/** Nothing is known of the mirror, so from here on it is no past of this database. */
function unknownTo(options: AttachOptions, present: Present, live: Stamp | null): Taken {
  const { record } = present;
  const { origin, lineage } = freshIdentity(options);
  return {
    identity: { origin: record?.origin ?? origin, lineage },
    last: at(present),
    through: null,
    log: null,
    whole: live === null || present.sequence === live.sequence,
  };
}

type WithFiles = AttachOptions & { readonly files: MirrorFiles };

async function takeOver(
  options: WithFiles,
  storage: Storage,
  present: Present,
  found: FullSurvey,
  live: Stamp | null,
): Promise<Taken> {
  const verdict = judge(present, found);
  const { log } = found;
  if (log !== null && verdict.kind === 'restore') {
    const restored = await restore(options, storage, log, live);
    if (restored !== null) return restored;
    return lose(options, present, log.last);
  }
  if (log !== null && verdict.kind === 'tail') {
    const replayed = await replay(options, storage, present, log);
    if (replayed !== null) return replayed;
    return goOn(options, present, log, { kind: 'behind', lost: log.last });
  }
  if (verdict.kind === 'lost') return lose(options, present, verdict.last ?? live);
  if (live !== null && live.sequence > present.sequence) return lose(options, present, live);
  return goOn(options, present, log, verdict);
}

function goOn(
  options: AttachOptions,
  present: Present,
  log: FoundLog | null,
  verdict: Verdict,
): Taken {
  const { record } = present;
  if (verdict.kind === 'behind' && verdict.lost !== null) {
    options.onMode('lost', partlyLostWords(verdict.lost));
  }
  const own = log !== null && log.lineage === record?.lineage ? log : null;
  const current = verdict.kind === 'current' && own?.format === options.format;
  return {
    identity: record ?? freshIdentity(options),
    last: current && own !== null ? own.last : at(present),
    through: own?.last ?? null,
    log: current ? own : null,
    whole: true,
  };
}

/** Begins anew, and says what was there. */
function lose(options: AttachOptions, present: Present, last: Stamp | null): Taken {
  options.onMode('lost', lostWords(last));
  const identity = freshIdentity(options);
  return { identity, last: at(present), through: null, log: null, whole: false };
}

async function restore(
  options: WithFiles,
  storage: Storage,
  log: FoundLog,
  live: Stamp | null,
): Promise<Taken | null> {
  const { files, onMode, copy, format } = options;
  const jumpTo = (last: Stamp): number => (last.number === live?.number ? 0 : SEQUENCE_JUMP);
  const restored = await restoreAll(storage, { files, log }, jumpTo);
  if (restored === null) return null;
  const { last } = restored.log;
  const whole = restored.extra === null;
  onMode('restored', whole ? restoredWholeWords(last) : restoredWords(last));
  const usable = copy && log.format === format;
  return {
    identity: log,
    last: usable ? last : { ...last, number: restored.extra?.number ?? last.number },
    through: last,
    log: usable ? restored.log : null,
    extra: usable ? restored.extra : null,
    whole,
  };
}

async function replay(
  options: WithFiles,
  storage: Storage,
  { record }: Present,
  log: FoundLog,
): Promise<Taken | null> {
  const { files, onMode, copy, format } = options;
  const from = record?.number ?? 0;
  // Records of another format than the database's are not put among its own.
  if (log.format !== format) return null;
  const last = await replayTail(storage, { files, log }, from);
  if (last === null) return null;
  onMode('restored', restoredTailWords(from, last));
  const all = last.number === log.last.number;
  if (!all) onMode('lost', partlyLostWords(log.last));
  return { identity: log, last, through: last, log: all && copy ? log : null, whole: false };
}

async function follow(
  options: WithFiles,
  storage: Storage,
  settled: Settled,
  { marker }: FullSurvey,
  taken: Taken,
): Promise<Mirror> {
  const { onMode, copy } = options;
  const mirror: Mirror = new Mirror(
    {
      ...options,
      storage,
      settled,
      onTrouble: (why) =>
        onMode('unmirrored', why === null || !copy ? null : unmirroredWords(why, mirror.through)),
    },
    {
      identity: taken.identity,
      last: taken.last,
      through: taken.through,
      turn: marker === null || marker === 'damaged' ? 0 : marker.turn,
    },
  );
  onMode('unmirrored', null);
  if (taken.log !== null && copy) await mirror.follow(taken.log);
  else mirror.catchUp();
  if (taken.extra) mirror.push(taken.extra);
  if (!copy) await mirror.rewrite().catch(() => {});
  return mirror;
}

function hiddenError(): WhorlError {
  return new WhorlError(
    'storage_unavailable',
    'The mirror cannot be reached at present: what was deleted is gone from the database and may still be in the mirror. Erase again when `status.store` no longer says `unmirrored`.',
    { retryable: true },
  );
}

function tooNewError(): WhorlError {
  return new WhorlError(
    'storage_too_new',
    `The database is gone, and only the mirror has it. ${TOO_NEW}`,
  );
}
