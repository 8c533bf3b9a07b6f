/** Messages between tabs of one process; a tab that died neither speaks nor hears. */
import type { TabChannel } from '../../workers/index/tabs/channel.ts';

interface Listener {
  readonly tab: string;
  readonly hear: (message: unknown) => void;
}

export class SimBus {
  readonly #listeners = new Map<object, Listener>();
  readonly #dead = new WeakSet<object>();

  /** The channel as one tab has it; `owner` is the tab. */
  seenBy(owner: object): TabChannel {
    return {
      post: (message, to) => {
        if (!this.#dead.has(owner)) this.#post(owner, structuredClone(message), to);
      },
      listen: (tab, hear) => {
        this.#listeners.set(owner, { tab, hear });
      },
      close: () => {
        this.#listeners.delete(owner);
      },
    };
  }

  #post(owner: object, message: unknown, to: string | null): void {
    for (const [other, { tab }] of this.#listeners) {
      if (other === owner || (to !== null && to !== tab)) continue;
      setImmediate(() => this.#listeners.get(other)?.hear(structuredClone(message)));
    }
  }

  bury(owner: object): void {
    this.#dead.add(owner);
    this.#listeners.delete(owner);
  }
}
