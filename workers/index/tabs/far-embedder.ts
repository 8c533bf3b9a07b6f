/**
 * As leader: texts of another tab's call become vectors in that tab, whose model may run while the leader's
 * was never started.
 */
import { abortedError, fromWire, throwIfAborted, WhorlError } from '../../../src/shared/errors.ts';
import type { EmbedRequest, EmbedResult } from '../../../src/shared/types.ts';
import type { CoreEmbedder } from '../embedder.ts';
import type { TabMessage } from './message.ts';
import { Pulse } from './pulse.ts';

/** A tab that said nothing for so many beats embeds no more; a frozen one may thaw before. */
const BEAT_MS = 1_000;
const BEATS = 30;

export interface FarHost {
  readonly wait: (ms: number) => Promise<void>;
  readonly monotonic: () => number;
  post(message: TabMessage, to: string | null): void;
}

interface Asked {
  readonly tab: string;
  readonly request: EmbedRequest;
  readonly pulse: Pulse;
  readonly onProgress: (done: number) => void;
  readonly resolve: (result: EmbedResult) => void;
  readonly reject: (error: WhorlError) => void;
}

type EmbedOptions = Parameters<CoreEmbedder['embed']>[1];

export class FarEmbedders {
  readonly #host: FarHost;
  readonly #asked = new Map<number, Asked>();
  #next = 1;

  constructor(host: FarHost) {
    this.#host = host;
  }

  /** The embedder of a tab; what is erased is told to our own. */
  of(tab: string, own: CoreEmbedder): CoreEmbedder {
    return {
      slices: true,
      embed: (request, options) => this.#embed(tab, request, options),
      erased: (texts) => own.erased?.(texts),
    };
  }

  async #embed(tab: string, request: EmbedRequest, options: EmbedOptions): Promise<EmbedResult> {
    const { signal, onProgress = () => {} } = options;
    throwIfAborted(signal);
    const id = this.#next;
    this.#next += 1;
    let stop = (): void => {};
    try {
      return await new Promise<EmbedResult>((resolve, reject) => {
        const pulse = this.#pulse(tab, id, reject);
        this.#asked.set(id, { tab, request, pulse, onProgress, resolve, reject });
        stop = () => {
          this.#host.post({ kind: 'unembed', id }, tab);
          reject(abortedError(signal));
        };
        signal?.addEventListener('abort', stop, { once: true });
        this.#post(id);
        pulse.start();
      });
    } finally {
      signal?.removeEventListener('abort', stop);
      this.#asked.get(id)?.pulse.stop();
      this.#asked.delete(id);
    }
  }

  #pulse(tab: string, id: number, reject: (error: WhorlError) => void): Pulse {
    const { wait, monotonic } = this.#host;
    return new Pulse({
      everyMs: BEAT_MS,
      limit: BEATS,
      wait,
      monotonic,
      ask: () => this.#host.post({ kind: 'embed_ping', id }, tab),
      onSilence: () => reject(gone()),
    });
  }

  #post(id: number): void {
    const asked = this.#asked.get(id);
    if (asked === undefined) return;
    const { texts, priority = 'bulk' } = asked.request;
    this.#host.post({ kind: 'embed', id, texts, priority }, asked.tab);
  }

  hear(from: string, message: TabMessage): void {
    if (!('id' in message)) return;
    const asked = this.#asked.get(message.id);
    if (asked === undefined || asked.tab !== from) return;
    asked.pulse.alive();
    if (message.kind === 'embed_unknown') this.#post(message.id);
    if (message.kind === 'embedding') asked.onProgress(message.done);
    if (message.kind === 'unembedded') asked.reject(fromWire(message.error));
    if (message.kind === 'embedded') {
      const { vectors, dimension, fingerprint, tokens } = message;
      asked.resolve({ vectors, dimension, fingerprint, tokens });
    }
  }
}

function gone(): WhorlError {
  return new WhorlError(
    'embedder_unavailable',
    `The tab whose texts were to become vectors has said nothing for ${(BEAT_MS * BEATS) / 1_000} seconds. Nothing was changed; try again.`,
    { retryable: true },
  );
}
