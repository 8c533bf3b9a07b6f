/** One after the other. A failure is its caller's alone: the next in the queue runs all the same. */
import { orAborted } from './platform.ts';

export class Serial {
  /** Settles when all that was queued is over; never rejects. */
  #tail: Promise<unknown> = Promise.resolve();

  /** `signal` ends the waiting; work that has begun goes on to its own end. */
  run<T>(work: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    const before = this.#tail;
    const mine = (signal ? orAborted(before, signal) : before).then(work);
    this.#tail = mine.then(ignore, ignore).then(() => before);
    return mine;
  }
}

function ignore(): void {}

const queues = new WeakMap<object, Map<string, Serial>>();

/** The queue of that name at a store: several loops over one store share it. */
export function sharedSerial(store: object, name: string): Serial {
  const named = queues.get(store) ?? new Map<string, Serial>();
  queues.set(store, named);
  const queue = named.get(name) ?? new Serial();
  named.set(name, queue);
  return queue;
}
