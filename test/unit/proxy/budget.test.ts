import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Budget } from '../../../proxy/budget.ts';
import { type BudgetState, type BudgetStore, memoryBudgetStore } from '../../../proxy/index.ts';
import { fileBudgetStore } from '../../../proxy/node-budget.ts';
import { ASK, bench, errorOf, eventsOf, onEnd, request, until } from './support.ts';

const NOON = Date.UTC(2026, 10, 20, 12);
const DAY = 86_400_000;

async function folder(): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'whorl-budget-'));
  onEnd(() => rm(path, { recursive: true, force: true }));
  return path;
}

function budget(limit: number, store: BudgetStore = memoryBudgetStore(), now = () => NOON) {
  return new Budget({ limit, store, now });
}

async function tokensIn(store: BudgetStore): Promise<number | undefined> {
  return (await store.load())?.tokens;
}

describe('the budget', () => {
  test('counts a reservation as spent until it is settled', async () => {
    const store = memoryBudgetStore();
    const own = budget(100, store);
    const one = await own.reserve(60);
    expect(await tokensIn(store)).toBe(60);
    await expect(own.reserve(41)).rejects.toMatchObject({ code: 'budget_exhausted' });
    await one.settle(10);
    await one.settle(99);
    expect(await tokensIn(store)).toBe(10);
    await (await own.reserve(90)).settle(90);
    await expect(own.reserve(1)).rejects.toMatchObject({ code: 'budget_exhausted', status: 429 });
  });

  test('cannot be passed by requests at the same time', async () => {
    const own = budget(100);
    const outcomes = await Promise.allSettled(Array.from({ length: 50 }, () => own.reserve(30)));
    expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(3);
  });

  test('is renewed at 00:00 UTC, says when, and counts the night before for itself', async () => {
    const store = memoryBudgetStore();
    let now = NOON;
    const own = budget(100, store, () => now);
    const evening = await own.reserve(100);
    await expect(own.reserve(1)).rejects.toMatchObject({
      retryAfterMs: DAY / 2,
      retryable: false,
    });
    now = NOON + DAY / 2;
    const morning = await own.reserve(100);
    await evening.settle(100);
    expect(await store.load()).toEqual({ version: 1, day: '2026-11-21', tokens: 100 });
    await morning.settle(5);
    expect(await tokensIn(store)).toBe(5);
  });

  test('is not renewed by a clock that is set back', async () => {
    let now = NOON;
    const own = budget(100, memoryBudgetStore(), () => now);
    await own.reserve(100);
    now = NOON - 3 * DAY;
    await expect(own.reserve(1)).rejects.toMatchObject({ code: 'budget_exhausted' });
  });

  test('survives a restart, with what was open counted as spent', async () => {
    const store = memoryBudgetStore();
    const before = budget(100, store);
    await (await before.reserve(50)).settle(20);
    await before.reserve(60);
    const after = budget(100, store);
    await expect(after.reserve(21)).rejects.toMatchObject({ code: 'budget_exhausted' });
    await after.reserve(20);
  });

  test('a reservation that cannot be stored is not made, and costs nothing', async () => {
    let broken = true;
    const memory = memoryBudgetStore();
    const store: BudgetStore = {
      load: () => memory.load(),
      save: (state) =>
        broken ? Promise.reject(new Error('disk /secret full')) : memory.save(state),
    };
    const own = budget(100, store);
    const error = await own.reserve(100).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: 'storage_unavailable', status: 503 });
    expect((error as Error).message).not.toContain('secret');
    broken = false;
    await (await own.reserve(100)).settle(100);
    expect(await tokensIn(store)).toBe(100);
  });

  test('a store that could not be read is read again', async () => {
    let reads = 0;
    const memory = memoryBudgetStore();
    const load = async (): Promise<BudgetState | null> => {
      reads += 1;
      if (reads === 1) throw new Error('not yet');
      return memory.load();
    };
    const own = budget(10, { ...memory, load });
    await expect(own.reserve(1)).rejects.toMatchObject({ code: 'storage_unavailable' });
    await own.reserve(1);
  });

  test('property: what is granted never passes the cap, and what is stored never lags behind', async () => {
    const step = fc.record({ cost: fc.nat(40), used: fc.nat(40), hold: fc.boolean() });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 30 }), async (steps) => {
        const store = memoryBudgetStore();
        const own = budget(100, store);
        let spent = 0;
        let held = 0;
        await Promise.all(
          steps.map(async ({ cost, used, hold }) => {
            const reservation = await own.reserve(cost).catch(() => null);
            if (reservation === null) return;
            held += cost;
            expect(held + spent).toBeLessThanOrEqual(100);
            if (hold) return;
            const real = Math.min(used, cost);
            held -= cost;
            spent += real;
            await reservation.settle(real);
          }),
        );
        expect(await tokensIn(store)).toBe(steps.length === 0 ? undefined : held + spent);
      }),
      { numRuns: 200 },
    );
  });
});

describe('the file', () => {
  test('keeps the state for another process, readable by its owner alone', async () => {
    const path = join(await folder(), 'state');
    const own = budget(100, fileBudgetStore(path));
    await (await own.reserve(50)).settle(20);
    await own.close();
    expect(JSON.parse(await readFile(join(path, 'budget.json'), 'utf8'))).toEqual({
      version: 1,
      day: '2026-11-20',
      tokens: 20,
    });
    expect(await readdir(path)).toEqual(['budget.json']);
    const next = budget(100, fileBudgetStore(path));
    await expect(next.reserve(81)).rejects.toMatchObject({ code: 'budget_exhausted' });
  });

  test('many writes at once leave the last state', async () => {
    const path = await folder();
    const own = budget(10_000, fileBudgetStore(path));
    const open = await Promise.all(Array.from({ length: 40 }, () => own.reserve(10)));
    await Promise.all(open.map((reservation) => reservation.settle(3)));
    expect(await tokensIn(fileBudgetStore(path))).toBe(120);
  });

  test.each(['', '{', '{"version":2,"day":"2026-11-20","tokens":1}', '{"version":1}', '[]'])(
    'that is damaged (%j) is refused by name, not taken for zero',
    async (text) => {
      const path = await folder();
      await writeFile(join(path, 'budget.json'), text);
      const error = await fileBudgetStore(path)
        .load()
        .catch((thrown: unknown) => thrown);
      expect(error).toMatchObject({ code: 'storage_unavailable' });
      expect((error as Error).message).toContain(join(path, 'budget.json'));
      await expect(budget(10, fileBudgetStore(path)).reserve(1)).rejects.toMatchObject({
        code: 'storage_unavailable',
      });
    },
  );
});

describe('requests', () => {
  const STREAM = { ...ASK, stream: true };
  const usage = { input: 30, output: 12 };

  test.each([ASK, STREAM])('are charged what the API says', async (body) => {
    const store = memoryBudgetStore();
    const { proxy, log, logged } = await bench({ text: 'x', usage }, { budget: store });
    await (await proxy.fetch(request(body))).text();
    await logged(1);
    expect(log[0]?.tokens).toBe(42);
    await proxy.close();
    expect(await tokensIn(store)).toBe(42);
  });

  test('over the budget get 429 budget_exhausted, and nothing is sent', async () => {
    const { proxy, upstream } = await bench({ text: 'x', usage }, { dailyTokens: 300 });
    const statuses: number[] = [];
    for (let index = 0; index < 8; index += 1) {
      const response = await proxy.fetch(request(STREAM));
      statuses.push(response.status);
      if (response.status === 429) {
        expect(response.headers.get('x-should-retry')).toBe('false');
        expect(await errorOf(response)).toMatchObject({
          type: 'rate_limit_error',
          code: 'budget_exhausted',
        });
      } else await response.text();
    }
    const sent = statuses.filter((status) => status === 200).length;
    expect(statuses).toEqual([...Array(sent).fill(200), ...Array(8 - sent).fill(429)]);
    expect(upstream.requests).toHaveLength(sent);
    expect(sent * 42).toBeLessThanOrEqual(300);
    expect(sent).toBeGreaterThan(2);
  });

  test('at the same time cannot pass it together', async () => {
    const store = memoryBudgetStore();
    const { proxy, upstream } = await bench(
      { text: 'x', usage: { input: 60, output: 64 }, firstByteMs: 30 },
      { dailyTokens: 500, budget: store, concurrency: 100 },
    );
    const all = await Promise.all(Array.from({ length: 20 }, () => proxy.fetch(request(ASK))));
    expect(all.some(({ status }) => status === 429)).toBe(true);
    expect(upstream.requests.length * 124).toBeLessThanOrEqual(500);
    await proxy.close();
    expect(await tokensIn(store)).toBe(upstream.requests.length * 124);
  });

  test('that the API refused cost nothing', async () => {
    const store = memoryBudgetStore();
    const { proxy } = await bench({ status: 529 }, { budget: store });
    await proxy.fetch(request(STREAM));
    await proxy.close();
    expect(await tokensIn(store)).toBe(0);
  });

  test.each([
    ['cut after some text', { kind: 'cut', after: 2 } as const],
    ['ended without a count', { kind: 'end', after: 2 } as const],
  ])('%s cost the input and what was seen', async (_, fault) => {
    const store = memoryBudgetStore();
    const reply = { text: 'abcdefgh', deltaLength: 3, usage, fault };
    const { proxy } = await bench(reply, { budget: store });
    await (await proxy.fetch(request(STREAM))).text();
    await proxy.close();
    expect(await tokensIn(store)).toBe(30 + 6);
  });

  test('given up before the first byte cost the most their input can be', async () => {
    const store = memoryBudgetStore();
    const { proxy } = await bench(
      { text: 'x', firstByteMs: 5_000 },
      { budget: store, firstByteMs: 50 },
    );
    expect((await proxy.fetch(request(STREAM))).status).toBe(504);
    await proxy.close();
    const tokens = (await tokensIn(store)) ?? 0;
    expect(tokens).toBeGreaterThan(ASK.messages[0]?.content.length ?? 0);
    expect(tokens).toBeLessThan(120);
  });

  test('are still counted by the next process', async () => {
    const path = await folder();
    const options = { dailyTokens: 200, budget: fileBudgetStore(path) };
    const first = await bench({ text: 'x', usage: { input: 100, output: 20 } }, options);
    expect((await first.proxy.fetch(request(ASK))).status).toBe(200);
    await first.proxy.close();
    const second = await bench('never', { ...options, budget: fileBudgetStore(path) });
    const response = await second.proxy.fetch(request(ASK));
    expect(response.status).toBe(429);
    expect(second.upstream.requests).toHaveLength(0);
  });

  test('are refused while the budget cannot be stored, and the log says why', async () => {
    const store: BudgetStore = {
      load: async () => null,
      save: () => Promise.reject(new Error('ENOSPC')),
    };
    const { proxy, upstream, log } = await bench('never', { budget: store });
    const response = await proxy.fetch(request(ASK));
    expect(response.status).toBe(503);
    expect(await errorOf(response)).toMatchObject({ code: 'storage_unavailable' });
    expect(log[0]?.detail).toContain('ENOSPC');
    expect(upstream.requests).toHaveLength(0);
  });

  test('a reservation is stored before the request leaves', async () => {
    const saved: number[] = [];
    const memory = memoryBudgetStore();
    const { proxy, upstream } = await bench(
      { text: 'x', firstByteMs: 200 },
      {
        budget: {
          load: () => memory.load(),
          save: async (state) => {
            expect(saved.length > 0 || upstream.requests.length === 0).toBe(true);
            saved.push(state.tokens);
          },
        },
      },
    );
    const pending = proxy.fetch(request(STREAM));
    await until(() => upstream.requests.length === 1);
    expect(saved[0]).toBeGreaterThan(64);
    expect(eventsOf(await (await pending).text()).at(-1)?.event).toBe('message_stop');
  });
});
