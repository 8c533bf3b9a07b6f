/**
 * Where this tab stands: at the lock, which gives the right to write, and among the other tabs, through which
 * it writes while one of them has that right.
 */
import { isWhorlError } from '../../../src/shared/errors.ts';
import type { MilvusEnvelope } from '../../../src/shared/milvus-types.ts';
import type { CoreCall, CoreOptions } from '../core.ts';
import { isOvertaken } from '../ledger.ts';
import { type Purpose, Unanswered } from './outbox.ts';
import { Seat } from './seat.ts';
import { Tabs, type TabsHost } from './tabs.ts';

export interface PlaceHost extends Omit<TabsHost, 'steal' | 'monotonic'> {
  /** The lock is here, or none is needed: claims the lead. Resolves to whether this tab leads now. */
  claim(): Promise<boolean>;
  /** Why nothing can be written here; null where something can. */
  readOnly(why: string | null): void;
}

type PlaceOptions = Pick<CoreOptions, 'name' | 'lock' | 'tabs' | 'clock'>;

/** Times that a read is made here when the leader does not answer it. */
const MAX_ATTEMPTS = 4;
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
    for (let attempt = 1; ; attempt++) {
      try {
        return await run(endpoint, body, call);
      } catch (error) {
        const purpose = purposeOf(error);
        if (purpose === null) throw error;
        if (purpose === 'change' && (await this.#seat?.urge())) continue;
        if (this.#tabs === null || this.#retired || attempt > MAX_ATTEMPTS) throw error;
        const answer = await this.#tabs.send(purpose, endpoint, body, call).catch(unanswered);
        if (answer !== null) return answer;
      }
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

/**
 * What the leader may be asked for after this error. `not_leader`: nothing was changed, and may be there. An
 * overtaken read: the leader has in memory what it reads, so nobody overtakes it there.
 */
function purposeOf(error: unknown): Purpose | null {
  if (isOvertaken(error)) return 'read';
  return isWhorlError(error) && error.code === 'not_leader' ? 'change' : null;
}

function unanswered(error: unknown): null {
  if (error instanceof Unanswered) return null;
  throw error;
}

function waitMs(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
