/**
 * Changes that other tabs ask the leader for. Each sender numbers its calls and says below which number all
 * are over: what was heard twice or too late is known by that and not made again.
 */
import { toWire, WhorlError } from '../../../src/shared/errors.ts';
import type { MilvusEnvelope } from '../../../src/shared/milvus-types.ts';
import type { CoreCall } from '../core.ts';
import type { CallMessage, TabMessage } from './message.ts';
import type { Order } from './outbox.ts';

/** Tabs whose calls are remembered. */
const MAX_SENDERS = 256;
/** Calls of all tabs together that run or wait for their turn. */
const MAX_RUNNING = 8_192;

export interface InboxHost {
  post(message: TabMessage, to: string | null): void;
  /** Makes a call of another tab, unless the log says that it was made. */
  execute(order: Order, from: string, call: CoreCall): Promise<MilvusEnvelope>;
}

/** `reply` null: it runs. */
interface Received {
  readonly abort: AbortController;
  reply: TabMessage | null;
}

interface Sender {
  floor: number;
  readonly calls: Map<number, Received>;
}

export class Inbox {
  readonly #host: InboxHost;
  #senders = new Map<string, Sender>();
  #running = 0;
  /** Of this tab's lead; null: it does not lead. */
  #epoch: number | null = null;

  constructor(host: InboxHost) {
    this.#host = host;
  }

  lead(epoch: number): void {
    this.#epoch = epoch;
    this.#host.post({ kind: 'leading', epoch }, null);
  }

  /** Whoever waits for an answer is told to ask the next leader; what runs is ended before it commits. */
  demote(): void {
    const epoch = this.#epoch;
    if (epoch === null) return;
    this.#epoch = null;
    const senders = this.#senders;
    this.#senders = new Map();
    for (const [from, { calls }] of senders) {
      for (const [number, { abort, reply }] of calls) {
        if (reply !== null) continue;
        abort.abort();
        this.#host.post({ kind: 'moved', epoch, number }, from);
      }
    }
  }

  hear(from: string, message: TabMessage): void {
    const epoch = this.#epoch;
    if (message.kind === 'call' || message.kind === 'ping') {
      if (message.epoch !== epoch) {
        const number = message.kind === 'call' ? message.number : 0;
        this.#host.post({ kind: 'moved', epoch: message.epoch, number }, from);
      } else if (message.kind === 'call') this.#take(from, message);
      else this.#pong(from, message);
      return;
    }
    if (epoch === null) return;
    if (message.kind === 'seek') this.#host.post({ kind: 'leading', epoch }, from);
    if (message.kind === 'cancel') this.#cancel(from, message);
    if (message.kind === 'bye') this.#forget(from);
  }

  #take(from: string, message: CallMessage): void {
    const sender = this.#sender(from, message.floor);
    const { epoch, number } = message;
    if (number < sender.floor) return;
    const known = sender.calls.get(number);
    if (known === undefined) this.#start(from, sender, message);
    this.#host.post(known?.reply ?? { kind: 'heard', epoch, number }, from);
  }

  /** The sender; what it says is over is forgotten. */
  #sender(from: string, floor: number): Sender {
    const sender = this.#senders.get(from) ?? { floor: 0, calls: new Map<number, Received>() };
    this.#senders.delete(from);
    this.#senders.set(from, sender);
    const [oldest] = this.#senders.keys();
    if (this.#senders.size > MAX_SENDERS && oldest !== undefined) this.#forget(oldest);
    if (floor > sender.floor) {
      sender.floor = floor;
      for (const number of [...sender.calls.keys()])
        if (number < floor) sender.calls.delete(number);
    }
    return sender;
  }

  #start(from: string, sender: Sender, message: CallMessage): void {
    const abort = new AbortController();
    const received: Received = { abort, reply: null };
    const { epoch, number, since, endpoint, body } = message;
    sender.calls.set(number, received);
    const report: CoreCall['report'] = ({ done, total }) => {
      if (this.#epoch === epoch) {
        this.#host.post({ kind: 'progress', epoch, number, done, total }, from);
      }
    };
    const order = { id: `${from}:${number}`, endpoint, body, since };
    const settle = (reply: TabMessage): void => {
      this.#running -= 1;
      received.reply = reply;
      // The lead may have passed, or the sender may have given the call up.
      if (this.#epoch === epoch && sender.calls.get(number) === received) {
        this.#host.post(reply, from);
      }
    };
    this.#running += 1;
    this.#execute(order, from, { signal: abort.signal, report }).then(
      (envelope) => settle({ kind: 'answer', epoch, number, envelope }),
      (error: unknown) => settle(failure(error, epoch, number)),
    );
  }

  async #execute(order: Order, from: string, call: CoreCall): Promise<MilvusEnvelope> {
    if (this.#running > MAX_RUNNING) throw crowded();
    return this.#host.execute(order, from, call);
  }

  #pong(from: string, message: Extract<TabMessage, { readonly kind: 'ping' }>): void {
    const { calls } = this.#sender(from, message.floor);
    const missing: number[] = [];
    for (const number of message.numbers) {
      const known = calls.get(number);
      if (known === undefined) missing.push(number);
      else if (known.reply !== null) this.#host.post(known.reply, from);
    }
    this.#host.post({ kind: 'pong', epoch: message.epoch, missing }, from);
  }

  #cancel(from: string, message: Extract<TabMessage, { readonly kind: 'cancel' }>): void {
    const { number, floor } = message;
    const sender = this.#sender(from, floor);
    const known = sender.calls.get(number);
    known?.abort.abort();
    // The call itself may be under way still.
    if (known !== undefined || number < sender.floor) return;
    sender.calls.set(number, { abort: new AbortController(), reply: { kind: 'bye' } });
  }

  /** A tab that is gone asks nothing more; what is heard of it late is not made. */
  #forget(from: string): void {
    const sender = this.#senders.get(from);
    if (sender === undefined) return;
    for (const { abort } of sender.calls.values()) abort.abort();
    sender.calls.clear();
    sender.floor = Number.POSITIVE_INFINITY;
    if (this.#senders.size > MAX_SENDERS) this.#senders.delete(from);
  }
}

function failure(error: unknown, epoch: number, number: number): TabMessage {
  const wire = toWire(error);
  if (wire.code === 'not_leader') return { kind: 'moved', epoch, number };
  return { kind: 'failure', epoch, number, error: wire };
}

function crowded(): WhorlError {
  return new WhorlError(
    'overloaded',
    `More than ${MAX_RUNNING} changes of other tabs wait to be made. Nothing of this one was changed; try again.`,
    { retryable: true },
  );
}
