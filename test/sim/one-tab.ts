/** Command lists for one tab over a failing storage, run beside a Map. */
import * as fc from 'fast-check';
import { expect } from 'vitest';
import { isWhorlError } from '../../src/shared/errors.ts';
import { look, make, outcomeOf } from './calls.ts';
import {
  change,
  type Ended,
  type Model,
  possible,
  printed,
  renewal,
  type Write,
} from './rows-model.ts';
import { FAULT_KINDS, type FaultKind, UNDECIDED, UNNOTICED } from './sim-storage.ts';
import { CREATE, Died, NAME, type Tab, World } from './world.ts';

interface Fault {
  readonly kind: FaultKind;
  /** It strikes this request, counted from where the command begins. */
  readonly after: number;
}

export type Command = { readonly fault: Fault | null } & (
  | { readonly kind: 'write'; readonly writes: readonly Write[] }
  | { readonly kind: 'reopen' | 'crash' | 'release' | 'look' | 'tidy' }
);

const fault: fc.Arbitrary<Fault | null> = fc.option(
  fc.record({ kind: fc.constantFrom(...FAULT_KINDS), after: fc.integer({ min: 1, max: 30 }) }),
  { freq: 3 },
);

const command = fc.oneof(
  {
    weight: 7,
    arbitrary: fc.record({
      kind: fc.constant('write' as const),
      // Mostly one call; several are made at once, without waiting for each other.
      writes: fc.oneof(
        { weight: 12, arbitrary: fc.tuple(change) },
        { weight: 1, arbitrary: fc.tuple(renewal) },
        { weight: 3, arbitrary: fc.array(change, { minLength: 2, maxLength: 3 }) },
      ),
      fault,
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constantFrom(
        'reopen' as const,
        'crash' as const,
        'release' as const,
        'look' as const,
        'tidy' as const,
      ),
      fault,
    }),
  },
);

export const commands: fc.Arbitrary<readonly Command[]> = fc.array(command, { maxLength: 10 });

/** One tab and the models that it may hold. */
export class OneTab {
  readonly #world: World;
  #tab: Tab;
  #models: readonly Model[] = [new Map()];

  private constructor(world: World, tab: Tab) {
    this.#world = world;
    this.#tab = tab;
  }

  static async open(): Promise<OneTab> {
    const world = new World();
    const tab = await world.open();
    await tab.milvus.createCollection(CREATE);
    return new OneTab(world, tab);
  }

  /** Makes one command; the tab is whole again after it, and shows one of the models that are possible. */
  async run(command: Command): Promise<void> {
    const { plan } = this.#world;
    plan.arm(command.fault?.kind ?? 'delayed', command.fault?.after ?? 0);
    await this.#perform(command);
    const { struck } = plan;
    plan.disarm();
    if (struck !== null) await this.#mend();
    if (struck !== null || command.kind === 'look') await this.compare();
  }

  async #perform(command: Command): Promise<void> {
    switch (command.kind) {
      case 'write':
        return this.#write(command.writes);
      case 'look':
        return this.#tried(async () => void (await look(this.#tab)));
      case 'tidy':
        return this.#tried(() => this.#tab.core.idle());
      case 'release':
        return this.#tried(async () => {
          await this.#tab.milvus.releaseCollection({ collectionName: NAME });
          await this.#tab.milvus.loadCollection({ collectionName: NAME });
        });
      case 'reopen':
        await this.#tried(() => this.#tab.core.close());
        break;
      default:
        this.#world.bury(this.#tab);
    }
    await this.#reopen();
  }

  /** Opening may meet the fault; then it is opened once more, without one. */
  async #reopen(): Promise<void> {
    try {
      this.#tab = await this.#world.open();
    } catch (error) {
      if (!(error instanceof Died)) this.#excuse(error);
      this.#tab = await this.#world.open();
    }
  }

  async #tried(work: () => Promise<void>): Promise<void> {
    const outcome = await outcomeOf(this.#tab, work);
    if (typeof outcome === 'object') this.#excuse(outcome.error);
  }

  /** A call fails only where a fault struck that it cannot have made good, and then typed. */
  #excuse(error: unknown): void {
    const { struck } = this.#world.plan;
    if (!isWhorlError(error)) throw error;
    if (struck === null || UNNOTICED.has(struck)) throw error;
  }

  async #write(writes: readonly Write[]): Promise<void> {
    const tab = this.#tab;
    const outcomes = await Promise.all(
      writes.map((write) => outcomeOf(tab, () => make(tab, write))),
    );
    const ended = outcomes.map((outcome, i): Ended => {
      const write = writes[i] as Write;
      if (typeof outcome !== 'object') return { write, may: outcome };
      this.#excuse(outcome.error);
      const { struck } = this.#world.plan;
      // Renewing is two calls, of which the first may have come through.
      const undecided = write.kind === 'renew' || (struck !== null && UNDECIDED.has(struck));
      return { write, may: undecided ? 'either' : 'absent' };
    });
    this.#models = this.#models.flatMap((model) => possible(model, ended));
  }

  /** After a fault: a process that died starts again, a collection that is gone or not loaded comes back. */
  async #mend(): Promise<void> {
    const { struck } = this.#world.plan;
    if (struck === 'crash' || struck === 'crash_after') {
      this.#world.bury(this.#tab);
      this.#tab = await this.#world.open();
    }
    const { milvus } = this.#tab;
    const { has } = await milvus.hasCollection({ collectionName: NAME });
    if (has) await milvus.loadCollection({ collectionName: NAME });
    else await milvus.createCollection(CREATE);
  }

  /** What is seen is what may be; from here on it is the only thing that may be. */
  async compare(): Promise<void> {
    const seen = await look(this.#tab);
    expect(this.#models.map(printed)).toContain(printed(seen));
    this.#models = [seen];
  }

  /** The tab, and the disk as a fresh process reads it, show the same. */
  async end(): Promise<void> {
    await this.compare();
    await this.#tab.core.close();
    this.#tab = await this.#world.open();
    await this.compare();
    await this.#tab.core.close();
  }
}

/** Runs a command list to its end. */
export async function runOneTab(list: readonly Command[]): Promise<void> {
  const tab = await OneTab.open();
  for (const command of list) await tab.run(command);
  await tab.end();
}
