/**
 * The ports that join the index worker with what embeds, so that text does not visit the page. One set of
 * ports for each set of workers: where one side is lost, the bridge is dropped and the next use builds it.
 */
import { throwIfAborted } from '../shared/errors.ts';
import type { Link } from '../shared/link.ts';
import type { IndexContract, LanePort } from '../shared/types.ts';
import type { Embedding } from './embedding.ts';

/** A bridge that stands or is being built; null: there is none. */
export type Built = Promise<void> | null;

export class Bridge {
  readonly #embedding: Embedding;
  readonly #index: Link<IndexContract>['call'];
  #built: Built = null;

  constructor(embedding: Embedding, index: Link<IndexContract>['call']) {
    this.#embedding = embedding;
    this.#index = index;
  }

  get built(): Built {
    return this.#built;
  }

  /** One of its sides is gone. */
  drop(): void {
    this.#built = null;
  }

  /** The index worker found no model behind that bridge: another one is wanted, unless there is one already. */
  async mend(bridge: Built): Promise<void> {
    if (bridge === null || this.#built !== bridge) return;
    // The index worker may know of a death before the page does: this waits until the page knows, too.
    await this.#embedding.check();
    if (this.#built === bridge) this.#built = null;
  }

  /** Joins the running workers by fresh ports; once for each set of them. */
  async join(signal: AbortSignal | undefined): Promise<void> {
    if (this.#built === null) {
      const bridge = this.#connect();
      this.#built = bridge;
      bridge.catch(() => {
        if (this.#built === bridge) this.#built = null;
      });
    }
    await this.#built;
    throwIfAborted(signal);
  }

  async #connect(): Promise<void> {
    const lanes = await this.#embedding.ports();
    const transfer = lanes.map(({ port }) => port);
    await this.#index('connectEmbedder', { lanes }, { transfer });
  }

  /** A further lane joins the bridge that stands; one that is built later takes it in by itself. */
  async add(open: () => Promise<LanePort>): Promise<void> {
    const bridge = this.#built;
    if (bridge === null) return;
    try {
      await bridge;
      if (this.#built !== bridge) return;
      const lane = await open();
      const request = { lanes: [lane], more: true };
      await this.#index('connectEmbedder', request, { transfer: [lane.port] });
    } catch {
      // The lane or the index worker is gone again: the other lanes go on, and the next bridge has all of them.
    }
  }
}
