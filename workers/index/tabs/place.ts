/**
 * Where this tab stands: at the lock, which gives the right to write, and among the other tabs, through which
 * it writes while one of them has that right.
 */
import { isWhorlError } from '../../../src/shared/errors.ts';
import type { MilvusEnvelope } from '../../../src/shared/milvus-types.ts';
import type { CoreCall, CoreOptions } from '../core.ts';
import { Seat } from './seat.ts';
import { Tabs, type TabsHost } from './tabs.ts';

export interface PlaceHost extends Omit<TabsHost, 'steal' | 'monotonic'> {
  /** The lock is here, or none is needed: claims the lead. Resolves to whether this tab leads now. */
  claim(): Promise<boolean>;
  /** Why nothing can be written here; null where something can. */
  readOnly(why: string | null): void;
}

type PlaceOptions = Pick<CoreOptions, 'name' | 'lock' | 'tabs' | 'clock'>;

const ALONE = 'Another tab writes, and this browser gives no way to reach it.';

export class Place {
  readonly #host: PlaceHost;
  /** Null: nobody else can open this storage. */
  readonly #seat: Seat | null;
  /** Null: the others cannot be reached. */
  readonly #tabs: Tabs | null;
  #retired = false;

  constructor({ name, lock, tabs = null, clock }: PlaceOptions, host: PlaceHost) {
    this.#host = host;
    const { ledger } = host;
    const isShared = lock !== null && ledger.store.storage.durable;
    const seat = isShared ? this.#atLock(name, lock, tabs?.wait ?? waitMs) : null;
    const { monotonic } = clock;
    this.#seat = seat;
    this.#tabs =
      seat === null || tabs === null
        ? null
        : new Tabs(tabs, { ...host, monotonic, steal: () => seat.steal() });
    if (this.#tabs === null) tabs?.channel.close();
  }

  #atLock(
    name: string,
    lock: NonNullable<PlaceOptions['lock']>,
    wait: (ms: number) => Promise<void>,
  ): Seat {
    const { claim, ledger, readOnly } = this.#host;
    return new Seat({
      name,
      lock,
      wait,
      claim,
      onLost: () => ledger.demote(),
      onTrouble: (error) => readOnly(`This tab could not take over writing: ${String(error)}`),
    });
  }

  /** Takes the lead where it is free, else waits for it. Rejects with what the claim says. */
  async open(): Promise<void> {
    if (this.#seat === null) await this.#host.claim();
    else await this.#seat.open();
    if (this.#host.ledger.role === 'follower') this.#follow();
  }

  /** Answers here, or, where this tab does not lead (any more), has the leader answer. */
  async answer(endpoint: string, body: unknown, call: CoreCall): Promise<MilvusEnvelope> {
    const { run } = this.#host;
    try {
      return await run(endpoint, body, call);
    } catch (error) {
      // Nothing was changed: that is what this code says.
      if (!isWhorlError(error) || error.code !== 'not_leader') throw error;
      if (await this.#seat?.urge()) return run(endpoint, body, call);
      if (this.#tabs === null || this.#retired) throw error;
      return this.#tabs.send(endpoint, body, call);
    }
  }

  /** The lead was claimed. */
  led(): void {
    this.#host.readOnly(null);
    this.#tabs?.led(this.#host.ledger.head.epoch);
  }

  /** The lead is gone: waits for it like the others. */
  demoted(): void {
    this.#tabs?.demoted();
    this.#seat?.leave();
    this.#follow();
  }

  #follow(): void {
    if (this.#tabs === null && this.#seat !== null && !this.#retired) this.#host.readOnly(ALONE);
  }

  /** The storage cannot be used any more: no lead is sought, and nothing is sent to the others. */
  retire(): void {
    this.#retired = true;
    this.#tabs?.close();
    this.#seat?.close();
  }

  /** Says goodbye to the other tabs; what runs for them is left to the next leader. */
  close(): void {
    this.#retired = true;
    this.#tabs?.close();
  }

  /** Lets the lock go; the last thing. */
  leave(): void {
    this.#seat?.close();
  }
}

function waitMs(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
