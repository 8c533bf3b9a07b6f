/**
 * This tab among the others: what it wants changed goes out to the leader, what others want comes in while it
 * leads, and vectors are made where the model runs.
 */
import type { MilvusEnvelope } from '../../../src/shared/milvus-types.ts';
import type { CoreCall } from '../core.ts';
import type { CoreEmbedder } from '../embedder.ts';
import type { Ledger } from '../ledger.ts';
import { notLeader } from '../store.ts';
import { answerOf, findCall, isRead, outcomeUnknown } from './call-log.ts';
import type { TabOptions } from './channel.ts';
import { EmbedDesk } from './embed-desk.ts';
import { FarEmbedders } from './far-embedder.ts';
import { Inbox } from './inbox.ts';
import { parseHeard, sealed, type TabMessage } from './message.ts';
import { type Order, Outbox, type Purpose } from './outbox.ts';

/** Before a silent leader is replaced, at most; two tabs that miss it seldom act at the same moment. */
const JITTER_MS = 250;

/** A call as it is made here: of this tab or of another. */
export interface MadeCall extends CoreCall {
  /** Its identity, which the log entry of its commit carries. */
  readonly id?: string;
  /** Default: this tab's own. */
  readonly embedder?: CoreEmbedder;
}

export interface TabsHost {
  readonly ledger: Ledger;
  readonly monotonic: () => number;
  /** This tab's own embedder. */
  readonly embedder: CoreEmbedder;
  /** Makes a call here; rejects with `not_leader`, before anything is changed, where this tab does not lead. */
  run(endpoint: string, body: unknown, call: MadeCall): Promise<MilvusEnvelope>;
  /** Takes the lock from whoever has it. */
  steal(): Promise<void>;
}

export class Tabs {
  readonly #options: TabOptions;
  readonly #host: TabsHost;
  readonly #outbox: Outbox;
  readonly #inbox: Inbox;
  readonly #far: FarEmbedders;
  readonly #desk: EmbedDesk;
  #takingOver = false;
  #closed = false;

  constructor(options: TabOptions, host: TabsHost) {
    this.#options = options;
    this.#host = host;
    const { tab, wait } = options;
    const { monotonic, ledger } = host;
    const post = (message: TabMessage, to: string | null): void => this.#post(message, to);
    this.#far = new FarEmbedders({ wait, monotonic, post });
    this.#desk = new EmbedDesk(host.embedder, post);
    this.#inbox = new Inbox({
      post,
      execute: (order, from, call) =>
        this.#execute(order, { ...call, embedder: this.#far.of(from, host.embedder) }),
    });
    this.#outbox = new Outbox({
      tab,
      wait,
      monotonic,
      post,
      leads: () => ledger.role === 'leader',
      sequence: async () => (await ledger.store.head()).sequence,
      execute: (order, call) => this.#execute(order, call),
      takeOver: () => void this.#takeOver(),
    });
    options.channel.listen(tab, (message) => this.#hear(message));
  }

  /** Has a call answered by who leads; see {@link Outbox.send}. */
  send(
    purpose: Purpose,
    ...what: readonly [endpoint: string, body: unknown, call: CoreCall]
  ): Promise<MilvusEnvelope> {
    return this.#outbox.send(purpose, ...what);
  }

  /** This tab leads from now on. */
  led(epoch: number): void {
    this.#inbox.lead(epoch);
    this.#outbox.turned();
  }

  /** This tab leads no more. */
  demoted(): void {
    this.#inbox.demote();
    this.#outbox.turned();
  }

  #post(message: TabMessage, to: string | null): void {
    if (!this.#closed) this.#options.channel.post(sealed(this.#options.tab, message), to);
  }

  #hear(raw: unknown): void {
    const heard = parseHeard(raw);
    if (heard === null || this.#closed || heard.from === this.#options.tab) return;
    const { from, message } = heard;
    this.#inbox.hear(from, message);
    this.#outbox.hear(from, message);
    this.#far.hear(from, message);
    this.#desk.hear(from, message);
  }

  /** As leader: what the log says of a call, or the call itself. */
  async #execute({ id, endpoint, body, since }: Order, call: MadeCall): Promise<MilvusEnvelope> {
    const { ledger } = this.#host;
    const { epoch } = ledger.head;
    if (since !== null && !isRead(endpoint)) {
      const fate = await findCall(ledger.store.storage, id, since);
      // Only who leads may conclude from what is not in the log.
      if (ledger.role !== 'leader' || ledger.head.epoch !== epoch) throw notLeader();
      if (fate === 'cut') {
        throw outcomeUnknown(
          'The tab that led was lost, and the log no longer reaches back so far.',
        );
      }
      if (fate !== 'absent') return answerOf({ endpoint, body }, fate, this.#record(fate));
    }
    return this.#host.run(endpoint, body, { ...call, id });
  }

  #record({ collection }: { readonly collection: number }) {
    const { collections } = this.#host.ledger;
    return collections.find(({ record }) => record.id === collection)?.record;
  }

  /** The leader is silent and this tab has something to write. */
  async #takeOver(): Promise<void> {
    if (this.#takingOver || this.#closed) return;
    this.#takingOver = true;
    try {
      await this.#options.wait(this.#options.random() * JITTER_MS);
      const isLeading = this.#host.ledger.role === 'leader';
      if (!this.#closed && !isLeading && this.#outbox.leaderIsSilent) await this.#host.steal();
    } catch {
      // The claim failed; the next beat tries again, and who leads meanwhile answers.
    } finally {
      this.#takingOver = false;
    }
  }

  /** Calls of other tabs that run are left to the next leader; own ones that wait reject with `closed`. */
  close(): void {
    this.#inbox.demote();
    this.#outbox.close();
    this.#desk.close();
    this.#post({ kind: 'bye' }, null);
    this.#closed = true;
    this.#options.channel.close();
  }
}
