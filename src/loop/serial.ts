/** One after the other. A failure is its caller's alone: the next in the queue runs all the same. */
import { orAborted } from './platform.ts';
import type { LoopStore } from './types.ts';

/** Runs work with all others kept out, see {@link LoopStore.alone}. */
type Alone = <T>(work: () => Promise<T>, signal?: AbortSignal) => Promise<T>;

export class Serial {
  readonly #alone: Alone;
  /** Settles when all that was queued is over; never rejects. */
  #tail: Promise<unknown> = Promise.resolve();

  /** @param alone Keeps out those who do not share this queue. Default: there are none. */
  constructor(alone: Alone = (work) => work()) {
    this.#alone = alone;
  }

  /** `signal` ends the waiting; work that has begun goes on to its own end. */
  run<T>(work: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    const before = this.#tail;
    const mine = (signal ? orAborted(before, signal) : before).then(() =>
      this.#alone(work, signal),
    );
    this.#tail = mine.then(ignore, ignore).then(() => before);
    return mine;
  }
}

function ignore(): void {}

const queues = new WeakMap<object, Map<string, Serial>>();

/** The queue of that name at a store: all loops over one store share it, those of other tabs, too, where the store sees to it. */
export function sharedSerial(store: Pick<LoopStore, 'alone'>, name: string): Serial {
  const named = queues.get(store) ?? new Map<string, Serial>();
  queues.set(store, named);
  const queue = named.get(name) ?? new Serial(aloneAt(store, name));
  named.set(name, queue);
  return queue;
}

function aloneAt(store: Pick<LoopStore, 'alone'>, name: string): Alone {
  return (work, signal) => (store.alone ? store.alone(name, work, signal) : work());
}
