/**
 * What this tab wants of the leader: changes, and reads that were overtaken here. Each change is sent to the leader and answered with the
 * leader's answer. When the lead moves, it is sent to the next leader (or made here, when that is us), who
 * looks into the log first: a call is made once, or its outcome is said to be unknown. A read takes nobody's
 * place: where the leader is silent, it ends, for then nobody writes and it can be made here.
 */
import { abortedError, fromWire, isWhorlError, WhorlError } from '../../../src/shared/errors.ts';
import type { MilvusEnvelope } from '../../../src/shared/milvus-types.ts';
import type { CoreCall } from '../core.ts';
import { outcomeUnknown } from './call-log.ts';
import { MAX_NAMED, type TabMessage } from './message.ts';
import { Pulse } from './pulse.ts';

/** A leader that says nothing for four beats is frozen or gone. */
const BEAT_MS = 500;
const BEATS = 4;
/** Leaders that one call is sent to before it is given up. */
const MAX_MOVES = 32;

export interface Order {
  readonly id: string;
  readonly endpoint: string;
  readonly body: unknown;
  /** The sequence before it was first sent; null: it was sent to nobody yet. */
  readonly since: number | null;
}

export interface OutboxHost {
  readonly tab: string;
  readonly wait: (ms: number) => Promise<void>;
  readonly monotonic: () => number;
  post(message: TabMessage, to: string | null): void;
  leads(): boolean;
  /** The newest sequence of the storage. */
  sequence(): Promise<number>;
  /** Makes the call here, unless the log says that it was made. Rejects with `not_leader` when it may not. */
  execute(order: Order, call: CoreCall): Promise<MilvusEnvelope>;
  /** The leader is silent: takes its place. */
  takeOver(): void;
}

interface Leader {
  readonly tab: string;
  readonly epoch: number;
}

/** Who was asked leads no longer. */
class Moved extends Error {
  override readonly name = 'Moved';
}

/** The leader is silent, and it was only to be read. */
export class Unanswered extends Error {
  override readonly name = 'Unanswered';
}

/** `read`: changes nothing, whoever makes it and however often. */
export type Purpose = 'change' | 'read';

class Waiting {
  readonly number: number;
  readonly purpose: Purpose;
  readonly endpoint: string;
  readonly body: unknown;
  readonly call: CoreCall;
  since: number | null = null;
  /** The leader that was asked last; its answer alone counts. */
  asked: { readonly leader: Leader; readonly resolve: (answer: MilvusEnvelope) => void } | null =
    null;
  /** Ends what the call waits for at present. */
  interrupt: (error: Error) => void = () => {};
  wake: () => void = () => {};

  constructor(
    number: number,
    purpose: Purpose,
    [endpoint, body, call]: readonly [string, unknown, CoreCall],
  ) {
    this.number = number;
    this.purpose = purpose;
    this.endpoint = endpoint;
    this.body = body;
    this.call = call;
  }
}

export class Outbox {
  readonly #host: OutboxHost;
  readonly #pulse: Pulse;
  readonly #waiting = new Map<number, Waiting>();
  #leader: Leader | null = null;
  /** Leaders of epochs below this one are known to lead no more. */
  #lowest = 0;
  #next = 1;
  #closed = false;

  constructor(host: OutboxHost) {
    this.#host = host;
    this.#pulse = new Pulse({
      everyMs: BEAT_MS,
      limit: BEATS,
      wait: host.wait,
      monotonic: host.monotonic,
      ask: () => this.#ping(),
      onSilence: () => this.#silent(),
    });
  }

  /** Whether the leader has been silent for so long that it may be replaced. */
  get leaderIsSilent(): boolean {
    return this.#pulse.silent;
  }

  /** Rejects with what the leader says, `aborted`, `closed`, `outcome_unknown`, or (a read) {@link Unanswered}. */
  async send(
    purpose: Purpose,
    ...what: readonly [endpoint: string, body: unknown, call: CoreCall]
  ): Promise<MilvusEnvelope> {
    if (this.#closed) throw closed();
    const waiting = new Waiting(this.#next, purpose, what);
    const [, , call] = what;
    this.#next += 1;
    this.#waiting.set(waiting.number, waiting);
    this.#pulse.start();
    const { signal } = call;
    const stop = (): void => this.#cancel(waiting, abortedError(signal));
    signal?.addEventListener('abort', stop, { once: true });
    try {
      return await this.#settle(waiting);
    } finally {
      signal?.removeEventListener('abort', stop);
      this.#waiting.delete(waiting.number);
      if (this.#waiting.size === 0) this.#pulse.stop();
    }
  }

  async #settle(waiting: Waiting): Promise<MilvusEnvelope> {
    for (let moves = 0; moves < MAX_MOVES; moves++) {
      const leader = await this.#whoLeads(waiting);
      try {
        return await (leader === 'here' ? this.#make(waiting) : this.#ask(waiting, leader));
      } catch (error) {
        if (!(error instanceof Moved) && !isNotLeader(error)) throw error;
      }
    }
    throw outcomeUnknown(`The lead passed from tab to tab ${MAX_MOVES} times during the call.`);
  }

  #make(waiting: Waiting): Promise<MilvusEnvelope> {
    const { number, endpoint, body, since, call } = waiting;
    const order = { id: `${this.#host.tab}:${number}`, endpoint, body, since };
    return this.#interruptible(waiting, () => this.#host.execute(order, call));
  }

  /** Waits for a leader where none is known. */
  async #whoLeads(waiting: Waiting): Promise<Leader | 'here'> {
    for (;;) {
      if (this.#host.leads()) return 'here';
      if (this.#leader !== null) return this.#leader;
      this.#host.post({ kind: 'seek' }, null);
      await this.#interruptible(
        waiting,
        () =>
          new Promise<void>((resolve) => {
            waiting.wake = resolve;
          }),
      );
    }
  }

  async #ask(waiting: Waiting, leader: Leader): Promise<MilvusEnvelope> {
    if (waiting.since === null) {
      const since = await this.#interruptible(waiting, () => this.#host.sequence());
      if (this.#leader !== leader) throw new Moved();
      waiting.since = since;
    }
    return this.#interruptible(
      waiting,
      () =>
        new Promise<MilvusEnvelope>((resolve) => {
          waiting.asked = { leader, resolve };
          this.#post(waiting);
        }),
    );
  }

  #interruptible<T>(waiting: Waiting, work: () => Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      if (!this.#waiting.has(waiting.number)) return reject(closed());
      waiting.interrupt = reject;
      if (waiting.call.signal?.aborted) return reject(abortedError(waiting.call.signal));
      work().then(resolve, reject);
    });
  }

  #post({ asked, number, since, endpoint, body }: Waiting): void {
    if (asked === null || since === null) return;
    const { epoch, tab } = asked.leader;
    const floor = this.#floor();
    this.#host.post({ kind: 'call', epoch, number, floor, since, endpoint, body }, tab);
  }

  /** The first number whose call is not over. */
  #floor(): number {
    const [first] = this.#waiting.keys();
    return first ?? this.#next;
  }

  #cancel(waiting: Waiting, error: WhorlError): void {
    this.#waiting.delete(waiting.number);
    const { asked, number } = waiting;
    if (asked !== null) {
      this.#host.post({ kind: 'cancel', number, floor: this.#floor() }, asked.leader.tab);
    }
    waiting.interrupt(error);
  }

  #silent(): void {
    const waiting = [...this.#waiting.values()];
    for (const each of waiting) if (each.purpose === 'read') each.interrupt(new Unanswered());
    if (waiting.some(({ purpose }) => purpose === 'change')) this.#host.takeOver();
  }

  #ping(): void {
    const leader = this.#leader;
    // One that says nothing may have a successor whose announcement was lost.
    if (leader === null || this.#pulse.missed > 1) this.#host.post({ kind: 'seek' }, null);
    if (leader === null) return;
    const asked = [...this.#waiting.values()].filter((each) => each.asked?.leader === leader);
    const numbers = asked.slice(0, MAX_NAMED).map(({ number }) => number);
    const { epoch, tab } = leader;
    this.#host.post({ kind: 'ping', epoch, floor: this.#floor(), numbers }, tab);
  }

  hear(from: string, message: TabMessage): void {
    if (message.kind === 'leading') this.#meet({ tab: from, epoch: message.epoch });
    if (from !== this.#leader?.tab || !('epoch' in message)) return;
    if (message.epoch !== this.#leader.epoch) return;
    if (message.kind === 'moved') this.#lose(message.epoch);
    else this.#hearLeader(message);
  }

  #hearLeader(message: TabMessage): void {
    this.#pulse.alive();
    if (message.kind === 'pong') for (const number of message.missing) this.#again(number);
    else if ('number' in message) this.#hearOf(message);
  }

  #hearOf(message: Extract<TabMessage, { readonly number: number }>): void {
    const waiting = this.#waiting.get(message.number);
    if (waiting?.asked?.leader !== this.#leader) return;
    if (message.kind === 'progress') {
      waiting?.call.report?.({ done: message.done, total: message.total });
    }
    if (message.kind === 'answer') waiting?.asked?.resolve(message.envelope);
    if (message.kind === 'failure') waiting?.interrupt(fromWire(message.error));
  }

  /** The leader lives and does not know the call: what was said was lost. */
  #again(number: number): void {
    const waiting = this.#waiting.get(number);
    if (waiting !== undefined && waiting.asked?.leader === this.#leader) this.#post(waiting);
  }

  #meet(leader: Leader): void {
    if (leader.epoch < this.#lowest) return;
    if (this.#leader !== null && leader.epoch <= this.#leader.epoch) return;
    this.#leader = leader;
    this.#pulse.alive();
    this.#moved();
  }

  #lose(epoch: number): void {
    this.#lowest = epoch + 1;
    this.#leader = null;
    this.#moved();
  }

  /** This tab leads now, or leads no more. */
  turned(): void {
    this.#leader = null;
    this.#moved();
  }

  #moved(): void {
    for (const waiting of this.#waiting.values()) {
      if (waiting.asked !== null && waiting.asked.leader !== this.#leader) {
        waiting.asked = null;
        waiting.interrupt(new Moved());
      }
      waiting.wake();
    }
  }

  close(): void {
    this.#closed = true;
    this.#pulse.stop();
    for (const waiting of [...this.#waiting.values()]) this.#cancel(waiting, closed());
  }
}

function isNotLeader(error: unknown): boolean {
  return isWhorlError(error) && error.code === 'not_leader';
}

function closed(): WhorlError {
  return new WhorlError(
    'closed',
    'The store was closed. A change that was being written at that moment is kept whole or not at all.',
  );
}
