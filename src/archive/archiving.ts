/**
 * Export and import, seen from the page: the index worker reads out and takes in, and an archive worker of
 * its own for each call packs or checks in between. It is ended with the call, however that ends: a file
 * that makes its reader hang costs a worker and nothing else.
 */
import type {
  ArchiveContract,
  ArchiveProgress,
  ImportResult,
  ReadOutRequest,
  TakeInRequest,
} from '../shared/archive-types.ts';
import { asWhorlError, WhorlError } from '../shared/errors.ts';
import { type Far, Link } from '../shared/link.ts';
import type { CallOptions, IndexContract } from '../shared/types.ts';
import {
  blobOf,
  checkExport,
  checkImport,
  type ExportOptions,
  type ImportOptions,
} from './options.ts';

/** Milliseconds without a sign of life from the reader of a file; it gives one at each step, of 1 MiB at most. */
const STEP_MS = 2_000;
/** Milliseconds for a file of no size, and milliseconds for each MiB of it, on a slow device. */
const LEAST_MS = 10_000;
const MS_A_MIB = 1_000;
const MIB = 1_048_576;

interface How {
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: ArchiveProgress) => void;
}

export class Archiving {
  readonly #index: Link<IndexContract>['call'];
  readonly #spawn: () => Far;
  readonly #closing: AbortSignal;

  /** `index`: calls to the index worker. `spawn`: starts an archive worker. `closing`: the engine's end. */
  constructor(index: Link<IndexContract>['call'], spawn: () => Far, closing: AbortSignal) {
    this.#index = index;
    this.#spawn = spawn;
    this.#closing = closing;
  }

  async export(options: ExportOptions): Promise<Blob> {
    checkExport(options);
    const { collections } = options;
    const request: ReadOutRequest =
      collections === undefined ? {} : { collections: [...collections] };
    const read = await this.#index('readOut', request, progressOf('read', options));
    return this.#use(async (call) => {
      const how = { ...signalOf(options), onProgress: onProgressOf(options) };
      const { file } = await call('pack', read, how as CallOptions<never>);
      return file;
    });
  }

  async import(source: unknown, options: ImportOptions): Promise<ImportResult> {
    const { onConflict, rename } = checkImport(options);
    const file = blobOf(source);
    const { collections } = await this.#check(file, options);
    const request: TakeInRequest = { collections, onConflict, rename };
    return this.#index('takeIn', request, progressOf('store', options));
  }

  async #check(file: Blob, options: ImportOptions): Promise<Pick<TakeInRequest, 'collections'>> {
    const totalMs = LEAST_MS + Math.ceil(file.size / MIB) * MS_A_MIB;
    const late = new AbortController();
    const timer = setTimeout(() => late.abort(), Math.min(totalMs, 0x7fffffff));
    const signals = options.signal ? [options.signal, late.signal] : [late.signal];
    const how = {
      signal: AbortSignal.any(signals),
      deadlineMs: STEP_MS,
      onProgress: onProgressOf(options),
    };
    try {
      return await this.#use((call) => call('check', { file }, how as CallOptions<never>));
    } catch (error) {
      const known = asWhorlError(error);
      if (late.signal.aborted && !options.signal?.aborted) throw tooSlow(totalMs, known);
      throw known.code === 'deadline' ? tooSlow(STEP_MS, known) : known;
    } finally {
      clearTimeout(timer);
    }
  }

  /** One worker for one piece of work. */
  async #use<T>(work: (call: Link<ArchiveContract>['call']) => Promise<T>): Promise<T> {
    const link = new Link<ArchiveContract>({ name: 'archive worker', spawn: this.#spawn });
    const close = (): void => link.close();
    if (this.#closing.aborted) close();
    this.#closing.addEventListener('abort', close, { once: true });
    try {
      return await work(link.call);
    } finally {
      this.#closing.removeEventListener('abort', close);
      close();
    }
  }
}

function tooSlow(ms: number, cause: WhorlError): WhorlError {
  const message = `The file was given up: reading it took longer than ${ms} ms${ms === STEP_MS ? ' at one step' : ''}. Its reader was ended; nothing was imported, and what is stored was not changed.`;
  return new WhorlError('deadline', message, { cause, retryable: true });
}

function signalOf({ signal }: How): { readonly signal?: AbortSignal } {
  return signal === undefined ? {} : { signal };
}

/** Always there: a call whose progress nobody listens to would have one deadline for all of it. */
function onProgressOf({ onProgress }: How): (progress: ArchiveProgress) => void {
  return onProgress ?? (() => {});
}

/** The index worker counts rows, and does not know for which stage. */
function progressOf(stage: 'read' | 'store', how: How): CallOptions<never> {
  const tell = onProgressOf(how);
  const onProgress = ({ done, total }: { readonly done: number; readonly total: number }): void =>
    tell({ stage, done, total });
  return { ...signalOf(how), onProgress } as CallOptions<never>;
}
