/**
 * Whether the browser keeps what this site stores when space gets scarce. Only a page can ask: workers have
 * no `persist()`. A frame that is denied storage, an insecure page or an old browser has no answer.
 */
import { abortedError, throwIfAborted, WhorlError } from './shared/errors.ts';
import type { EngineStatus } from './shared/types.ts';

type Manager = Partial<Pick<StorageManager, 'persist' | 'persisted'>>;

function manager(): Manager | undefined {
  return (navigator as { readonly storage?: Manager }).storage;
}

export class Persistence {
  readonly #onChange: () => void;
  /** Null: the browser did not say. */
  #isKept: boolean | null = null;

  constructor(onChange: () => void) {
    this.#onChange = onChange;
  }

  /** What the browser says without asking anybody. */
  async look(): Promise<void> {
    const kept = await Promise.resolve(manager()?.persisted?.()).catch(() => undefined);
    if (kept !== undefined) this.#learn(kept);
  }

  /** Asks the browser, which may ask the user. A refusal is false; so is all where nothing is stored. */
  async request(
    { store }: EngineStatus,
    closing: AbortSignal,
    signal: AbortSignal | undefined,
  ): Promise<boolean> {
    if (closing.aborted) throw new WhorlError('closed', 'The engine was closed.');
    throwIfAborted(signal);
    if (store?.durability !== 'durable') return false;
    const kept = await answer(signal);
    this.#learn(kept);
    return kept;
  }

  /** The status with the answer, where something is stored. */
  in(status: EngineStatus): EngineStatus {
    const { store } = status;
    if (store?.durability !== 'durable' || this.#isKept === null) return status;
    return { ...status, store: { ...store, persisted: this.#isKept } };
  }

  #learn(kept: boolean): void {
    if (this.#isKept === kept) return;
    this.#isKept = kept;
    this.#onChange();
  }
}

/** Giving up waiting leaves the question with the user; the answer shows at the next look. */
function answer(signal: AbortSignal | undefined): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const give = () => reject(abortedError(signal));
    signal?.addEventListener('abort', give, { once: true });
    Promise.resolve(manager()?.persist?.())
      .then(
        (kept) => resolve(kept ?? false),
        () => resolve(false),
      )
      .finally(() => signal?.removeEventListener('abort', give));
  });
}
