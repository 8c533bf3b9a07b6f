/** Command lists for up to three tabs on one database: writes of any, closings, crashes, stolen locks. */
import * as fc from 'fast-check';
import { expect } from 'vitest';
import { isWhorlError } from '../../src/shared/errors.ts';
import { look, make, type Outcome, outcomeOf } from './calls.ts';
import { change, type Ended, type Model, possible, printed, type Write } from './rows-model.ts';
import { FAULT_KINDS, type FaultKind, UNDECIDED, UNNOTICED } from './sim-storage.ts';
import { CREATE, Died, type Tab, World } from './world.ts';

const MOST_TABS = 3;

interface Fault {
  readonly kind: FaultKind;
  readonly after: number;
}

interface Order {
  readonly by: number;
  readonly write: Write;
}

export type Command = { readonly fault: Fault | null } & (
  | { readonly kind: 'write'; readonly orders: readonly Order[] }
  | { readonly kind: 'look' | 'tidy' | 'close' | 'crash'; readonly by: number }
  | { readonly kind: 'open' }
  /** The lock is taken from whoever leads: `told`, as `steal` does, or not, as if the tab were frozen. */
  | { readonly kind: 'steal'; readonly told: boolean }
);

const by = fc.integer({ min: 0, max: MOST_TABS - 1 });
const order = fc.record({ by, write: change });
const fault: fc.Arbitrary<Fault | null> = fc.option(
  fc.record({ kind: fc.constantFrom(...FAULT_KINDS), after: fc.integer({ min: 1, max: 40 }) }),
  { freq: 4 },
);
const kind = <K extends string>(name: K) => fc.constant(name);

const command: fc.Arbitrary<Command> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: kind('write'),
      orders: fc.oneof(fc.tuple(order), fc.array(order, { minLength: 2, maxLength: 3 })),
      fault,
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({ kind: fc.constantFrom('look' as const, 'tidy' as const), by, fault }),
  },
  { weight: 2, arbitrary: fc.record({ kind: kind('open'), fault }) },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constantFrom('close' as const, 'crash' as const), by, fault }),
  },
  { weight: 1, arbitrary: fc.record({ kind: kind('steal'), told: fc.boolean(), fault }) },
);

export const commands: fc.Arbitrary<readonly Command[]> = fc.array(command, { maxLength: 10 });

/** What a run came to; summed up over all sequences, so that a test may see that nothing was left out. */
export interface Tally {
  confirmed: number;
  refused: number;
  struck: number;
}

export class ManyTabs {
  readonly #world = new World();
  readonly #tally: Tally;
  #tabs: readonly Tab[] = [];
  #models: readonly Model[] = [new Map()];
  /** Every model that there ever may have been. */
  readonly #history = new Set<string>(['[]']);

  private constructor(tally: Tally) {
    this.#tally = tally;
  }

  static async open(tally: Tally): Promise<ManyTabs> {
    const tabs = new ManyTabs(tally);
    const first = await tabs.#world.open();
    await first.milvus.createCollection(CREATE);
    tabs.#tabs = [first, await tabs.#world.open()];
    return tabs;
  }

  async run(command: Command): Promise<void> {
    const { plan } = this.#world;
    plan.arm(command.fault?.kind ?? 'delayed', command.fault?.after ?? 0);
    await this.#world.time.until(this.#perform(command));
    await this.#world.time.settle();
    plan.disarm();
    if (plan.struck !== null) this.#tally.struck += 1;
    await this.#removeDead();
    if (this.#tabs.length === 0) this.#tabs = [await this.#world.open()];
    if (plan.struck !== null || command.kind === 'steal') {
      await this.#world.time.until(this.compare());
    }
  }

  async #perform(command: Command): Promise<void> {
    switch (command.kind) {
      case 'write':
        return this.#write(command.orders);
      case 'look':
        return this.#look(this.#tab(command.by));
      case 'tidy':
        return this.#tidy(this.#tab(command.by));
      case 'open':
        return this.#open();
      case 'steal':
        return this.#world.lock.stolen(command.told);
      case 'close':
        return this.#close(this.#tab(command.by));
      default:
        this.#world.bury(this.#tab(command.by));
        this.#without(this.#tab(command.by));
    }
  }

  #tab(by: number): Tab {
    return this.#tabs[by % this.#tabs.length] as Tab;
  }

  #without(tab: Tab): void {
    this.#tabs = this.#tabs.filter((each) => each !== tab);
    // Somebody is always there; a tab that opens now takes the lead without a fault.
  }

  async #removeDead(): Promise<void> {
    for (const tab of this.#tabs) {
      if (!tab.storage.dead) continue;
      this.#world.bury(tab);
      this.#without(tab);
    }
    await this.#world.time.settle();
  }

  async #open(): Promise<void> {
    if (this.#tabs.length === MOST_TABS) return;
    try {
      this.#tabs = [...this.#tabs, await this.#world.open()];
    } catch (error) {
      if (!(error instanceof Died)) this.#excuse(error);
    }
  }

  async #close(tab: Tab): Promise<void> {
    const outcome = await outcomeOf(tab, () => tab.core.close());
    if (typeof outcome === 'object') this.#excuse(outcome.error);
    this.#without(tab);
  }

  /** Whatever tab is asked shows all that was confirmed before, unless its lock was taken without a word. */
  async #look(tab: Tab): Promise<void> {
    let seen: Model = new Map();
    const outcome = await outcomeOf(tab, async () => {
      seen = await look(tab);
    });
    if (typeof outcome === 'object') return this.#excuse(outcome.error);
    if (outcome === 'there') this.#see(tab, seen);
  }

  /** Background work that was put off; it may be struck, and is not heard of then. */
  async #tidy(tab: Tab): Promise<void> {
    const outcome = await outcomeOf(tab, () => tab.core.idle());
    if (typeof outcome === 'object') throw outcome.error;
  }

  /** Believes that it leads, for nobody has told it otherwise: frozen, and thawed a moment ago. */
  #unaware(tab: Tab): boolean {
    return tab.core.status().role === 'leader' && !this.#world.leads(tab);
  }

  /** What a tab shows is what may be; one that is behind may show what was. */
  #see(tab: Tab, seen: Model): void {
    const unaware = this.#unaware(tab);
    const may = unaware ? [...this.#history] : this.#models.map(printed);
    expect(may).toContain(printed(seen));
    if (!unaware) this.#models = [seen];
  }

  async #write(orders: readonly Order[]): Promise<void> {
    const outcomes = await Promise.all(
      orders.map(({ by, write }) => {
        const tab = this.#tab(by);
        return outcomeOf(tab, () => make(tab, write));
      }),
    );
    const ended = outcomes.map((outcome, i) => this.#ended(outcome, orders[i]?.write as Write));
    // A tab that is behind may stand between two writes that were made at once.
    const between = orders.map(({ write }): Ended => ({ write, may: 'either' }));
    for (const model of this.#models.flatMap((each) => possible(each, between))) {
      this.#history.add(printed(model));
    }
    this.#models = distinct(this.#models.flatMap((model) => possible(model, ended)));
    for (const model of this.#models) this.#history.add(printed(model));
  }

  #ended(outcome: Outcome, write: Write): Ended {
    if (typeof outcome !== 'object') {
      if (outcome === 'there') this.#tally.confirmed += 1;
      return { write, may: outcome };
    }
    const { error } = outcome;
    this.#tally.refused += 1;
    const { struck } = this.#world.plan;
    this.#excuse(error);
    const undecided = isWhorlError(error) && error.code === 'outcome_unknown';
    return {
      write,
      may: undecided || (struck !== null && UNDECIDED.has(struck)) ? 'either' : 'absent',
    };
  }

  #excuse(error: unknown): void {
    const { struck } = this.#world.plan;
    if (!isWhorlError(error)) throw error;
    if (struck === null || UNNOTICED.has(struck)) throw error;
  }

  /** All tabs show the same, and it is what may be. */
  async compare(): Promise<void> {
    for (const tab of this.#tabs) {
      this.#see(tab, await look(tab));
    }
  }

  /** The end of a sequence. */
  finish(): Promise<void> {
    return this.#world.time.until(this.#end());
  }

  /** The tab that is left leads and writes; a fresh process reads the same. */
  async #end(): Promise<void> {
    this.#world.lock.tell();
    await this.#world.time.settle();
    expect(this.#tabs.filter((tab) => this.#unaware(tab))).toEqual([]);
    await this.compare();
    const [last, ...others] = this.#tabs as [Tab, ...Tab[]];
    for (const tab of others) await this.#close(tab);
    const confirmed = this.#tally.confirmed;
    await this.#write([{ by: 0, write: { kind: 'upsert', rows: [[0, 1]] } }]);
    expect(this.#tally.confirmed).toBe(confirmed + 1);
    await last.core.close();
    this.#tabs = [await this.#world.open()];
    await this.compare();
    await this.#tab(0).core.close();
  }
}

function distinct(models: readonly Model[]): readonly Model[] {
  return [...new Map(models.map((model) => [printed(model), model])).values()];
}

export async function runManyTabs(list: readonly Command[], tally: Tally): Promise<void> {
  const tabs = await ManyTabs.open(tally);
  for (const command of list) await tabs.run(command);
  await tabs.finish();
}
