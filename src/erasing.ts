/**
 * Erasing, seen from the page: rows go by ordinary deletes, which whoever leads makes, and at the end the
 * index worker of the leading tab scrubs what is left of them in the storage and its mirror.
 */
import type { EraseAllRequest } from './erase-all-request.ts';
import { type EraseRequest, type EraseResult, erase } from './loop/erase.ts';
import type { LoopStore } from './loop/types.ts';
import { throwIfAborted, WhorlError } from './shared/errors.ts';
import type { Link } from './shared/link.ts';
import type { MilvusClient } from './shared/milvus-types.ts';
import type { CallOptions, IndexContract } from './shared/types.ts';

/** Writing a mirror of some gigabytes anew gives no sign of life in between. */
const SCRUB_MS = 600_000;

export interface ErasingParts {
  /** Of the engine. */
  readonly name: string;
  readonly store: LoopStore;
  readonly milvus: MilvusClient;
  readonly index: Link<IndexContract>['call'];
  /** The engine's end. */
  readonly closing: AbortSignal;
}

export class Erasing {
  readonly #parts: ErasingParts;

  constructor(parts: ErasingParts) {
    this.#parts = parts;
  }

  async erase(request: EraseRequest): Promise<EraseResult> {
    const { store, closing } = this.#parts;
    const signal = AbortSignal.any([request.signal ?? closing, closing]);
    const scrub = (names: readonly string[]) => this.#scrub(names, signal);
    return erase({ ...request, signal }, { store, scrub });
  }

  async all(request: EraseAllRequest): Promise<void> {
    const { name, milvus, index, closing } = this.#parts;
    checkConfirm(request, name);
    throwIfAborted(request.signal);
    const signal = AbortSignal.any([request.signal ?? closing, closing]);
    for (const collectionName of await milvus.listCollections({}, { signal })) {
      await milvus.dropCollection({ collectionName }, { signal });
    }
    await this.#scrub([], signal);
    await index('destroy', {}, { signal, deadlineMs: SCRUB_MS });
  }

  async #scrub(collectionNames: readonly string[], signal: AbortSignal): Promise<void> {
    const how = { signal, deadlineMs: SCRUB_MS, onProgress: () => {} } as CallOptions<never>;
    const body = { collectionNames };
    await this.#parts.index('milvus', { endpoint: 'whorl/scrub', body }, how);
  }
}

function checkConfirm(request: EraseAllRequest, name: string): void {
  const unknown = Object.keys(request).find((key) => key !== 'confirm' && key !== 'signal');
  if (unknown !== undefined) {
    throw new WhorlError('invalid_option', `eraseAll: there is no option "${unknown}".`);
  }
  if (request.confirm === name) return;
  throw new WhorlError(
    'invalid_option',
    `eraseAll: "confirm" must be the name of this engine, "${name}". Nothing was erased.`,
  );
}
