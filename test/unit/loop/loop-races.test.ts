/** What happens side by side, or where a write cannot happen: nothing paid for is lost or paid twice. */
import { describe, expect, it } from 'vitest';
import { evaluate } from '../../../src/loop/evaluate/index.ts';
import { createLoop } from '../../../src/loop/loop.ts';
import { Serial } from '../../../src/loop/serial.ts';
import { WhorlError } from '../../../src/shared/errors.ts';
import { bench, scripted } from './loop-bench.ts';

const ANSWER = 'Frodo and Sam drank ale here on many evenings. [2]';

describe('where nothing can be written', () => {
  it('asks and enriches nothing, still searches, and goes on once it may write', async () => {
    const { parts, options } = await bench();
    let leader = false;
    const generator = scripted(() => ANSWER);
    const store = { ...parts.store, canWrite: () => leader };
    const loop = createLoop({ ...parts, store }, { ...options, generator });
    const rows = [{ id: 'x', name: 'Oak', location: 'Bree' }];
    const template = '{name} in {location}';
    await expect(loop.ask('Ale?')).rejects.toMatchObject({ code: 'not_leader', retryable: true });
    await expect(loop.enrich({ rows, template, into: 'description' })).rejects.toMatchObject({
      code: 'not_leader',
    });
    expect(generator.prompts).toEqual([]);
    expect(await loop.search('Ale?')).toHaveLength(5);
    leader = true;
    expect((await loop.ask('Ale?')).answer).toBe(ANSWER);
  });
});

describe('two tabs over one collection', () => {
  it('lose no rating that is given at the same time, nor what it books', async () => {
    const { parts, options, memory } = await bench();
    const lines = new Map<string, Serial>();
    // As Web Locks do it: tabs share nothing but the name.
    const alone = <T>(name: string, work: () => Promise<T>, signal?: AbortSignal): Promise<T> => {
      const line = lines.get(name) ?? new Serial();
      lines.set(name, line);
      return line.run(work, signal);
    };
    const tab = () => createLoop({ ...parts, store: { ...parts.store, alone } }, options);
    const [one, two] = [tab(), tab()];
    await (await one.ask('Where is the best beer poured?')).rate('up');
    const turn = await one.ask('Where is the best beer poured?');
    const same = (await two.turns()).find(({ id }) => id === turn.id)!;
    const ids = turn.hits.map(({ id }) => id);
    await Promise.all([turn.rateHit(ids[0]!, 'up'), same.rateHit(ids[1]!, 'down')]);
    const stored = (await tab().turns()).find(({ id }) => id === turn.id)!;
    expect(stored.hitVotes).toEqual({ [ids[0]!]: 'up', [ids[1]!]: 'down' });
    const booked = JSON.parse(memory().get('calibration').body0);
    expect(Math.abs(booked.a) + Math.abs(booked.b)).toBeGreaterThan(0.001);
    for (const each of await tab().turns())
      for (const id of Object.keys(each.hitVotes)) await each.rateHit(id, null);
    const left = JSON.parse(memory().get('calibration').body0);
    expect(left.a).toBeCloseTo(0, 9);
    expect(left.b).toBeCloseTo(0, 9);
  });
});

describe('two loops over one collection', () => {
  it('lose no rating that is given at the same time, nor what it books', async () => {
    const { make, memory } = await bench();
    const [one, two] = [make(), make()];
    await (await one.ask('Where is the best beer poured?')).rate('up');
    const turn = await one.ask('Where is the best beer poured?');
    const same = (await two.turns()).find(({ id }) => id === turn.id)!;
    const third = await two.ask('Where is the best good beer poured?');
    const ids = turn.hits.map(({ id }) => id);
    await Promise.all([
      turn.rateHit(ids[0]!, 'up'),
      same.rateHit(ids[1]!, 'down'),
      third.rateHit(third.hits[0]!.id, 'down'),
    ]);
    const stored = (await make().turns()).find(({ id }) => id === turn.id)!;
    expect(stored.hitVotes).toEqual({ [ids[0]!]: 'up', [ids[1]!]: 'down' });
    const booked = JSON.parse(memory().get('calibration').body0);
    // Taken back one after the other, what was booked side by side comes to nothing.
    for (const each of await make().turns())
      for (const id of Object.keys(each.hitVotes)) await each.rateHit(id, null);
    const left = JSON.parse(memory().get('calibration').body0);
    expect(booked.b).toBeGreaterThan(0.001);
    expect(left.a).toBeCloseTo(0, 9);
    expect(left.b).toBeCloseTo(0, 9);
  });

  it('keep one of two equal answers that arrive at the same time', async () => {
    const slowly: typeof evaluate = async (...given) => {
      await new Promise((resolve) => setTimeout(resolve, 5));
      return evaluate(...given);
    };
    const { make, generated } = await bench({ evaluate: slowly });
    const loops = [make(), make()];
    const turns = await Promise.all(loops.map((loop) => loop.ask('Who drank ale with Sam?')));
    expect(turns.map(({ verdict }) => verdict.decision).sort()).toEqual(['admitted', 'dropped']);
    expect(generated().size).toBe(1);
  });

  it('pay for a text once when the same enrichment is started twice', async () => {
    const { make, store } = await bench();
    const generator = scripted(
      (prompt) => `${prompt.replace(' in ', ' stands in ')}, by the mill.`,
    );
    const options = { rows: [{ id: 'x', name: 'Oak', location: 'Bree' }], into: 'description' };
    const both = { ...options, template: '{name} in {location}' };
    const results = await Promise.all([
      make({ generator }).enrich(both),
      make({ generator }).enrich(both),
    ]);
    expect(generator.prompts).toHaveLength(1);
    expect(results.map(({ skipped }) => skipped).sort()).toEqual([0, 1]);
    expect(store.collections.get('taverns')!.rows.size).toBe(7);
  });
});

describe('a model that is lost while an answer is judged', () => {
  it.each(['worker_lost', 'backend_wrong'] as const)(
    'leaves the answer kept and unchecked (%s)',
    async (code) => {
      const { make, embedder, memory, generated } = await bench();
      const generator = scripted(() => {
        embedder.embed = async () => {
          throw new WhorlError(code, 'Gone.');
        };
        return ANSWER;
      });
      const turn = await make({ generator }).ask('Who drank ale?');
      expect(turn).toMatchObject({ answer: ANSWER, verdict: { decision: 'quarantined' } });
      expect(turn.verdict.reason).toMatch(/no model was ready/);
      expect(memory().has(turn.id)).toBe(true);
      expect(generated().size).toBe(0);
    },
  );

  it('hands the signal of the turn to the judge', async () => {
    const given: unknown[] = [];
    const { parts, options } = await bench();
    const watched: typeof evaluate = (input, embed, how) => {
      given.push(how?.signal);
      return evaluate(input, embed, how);
    };
    const abort = new AbortController();
    const loop = createLoop({ ...parts, evaluate: watched }, options);
    await loop.ask('Ale?', { signal: abort.signal });
    expect(given[0]).toBeInstanceOf(AbortSignal);
    expect((given[0] as AbortSignal).aborted).toBe(false);
  });
});

describe('Serial', () => {
  it('gives up waiting when told, without letting the next overtake', async () => {
    const queue = new Serial();
    const order: string[] = [];
    let end = () => {};
    const first = queue.run(
      () =>
        new Promise<void>((resolve) => {
          end = () => {
            order.push('first');
            resolve();
          };
        }),
    );
    const abort = new AbortController();
    const second = queue.run(async () => order.push('second'), abort.signal);
    const third = queue.run(async () => order.push('third'));
    abort.abort();
    await expect(second).rejects.toMatchObject({ code: 'aborted' });
    expect(order).toEqual([]);
    end();
    await Promise.all([first, third]);
    expect(order).toEqual(['first', 'third']);
  });

  it('keeps a failure to its caller', async () => {
    const queue = new Serial();
    const bad = queue.run(() => Promise.reject(new Error('mine')));
    const good = queue.run(async () => 7);
    await expect(bad).rejects.toThrow('mine');
    expect(await good).toBe(7);
  });
});
