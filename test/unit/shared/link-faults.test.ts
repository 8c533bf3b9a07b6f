/** A link whose far side hangs, breaks, cannot be made, or is outlived by what the caller holds. */
import { getEventListeners } from 'node:events';
import { afterEach, describe, expect, it, vi } from 'vitest';
import type { WhorlError } from '../../../src/shared/errors.ts';
import { type Far, Link, type LinkOptions, serve } from '../../../src/shared/link.ts';

interface Calls {
  add(request: { a: number; b: number }): number;
  /** Answers when {@link Sides.open} is called. */
  wait(request: { beats: number }): string;
}

const opened: Link<Calls>[] = [];
const sides: MessagePort[] = [];

/** Far sides on ports, in the order of their making. */
class Sides {
  readonly near: MessagePort[] = [];
  readonly far: MessagePort[] = [];
  spawned = 0;
  readonly lost: WhorlError[] = [];
  #gates: (() => void)[] = [];
  /** As a worker in an endless loop: messages reach it and are not read. */
  isSilent = (_side: number): boolean => false;

  readonly spawn = (): Far => {
    const { port1, port2 } = new MessageChannel();
    this.spawned += 1;
    this.near.push(port1);
    this.far.push(port2);
    sides.push(port1, port2);
    if (!this.isSilent(this.spawned)) serve(this.#handlers(), port2);
    return { endpoint: port1, address: 'https://host.test/w.js', end: () => port1.close() };
  };

  link(options: Partial<LinkOptions<Calls>> = {}): Link<Calls> {
    const link = new Link<Calls>({
      name: 'test worker',
      pingMs: 20,
      hungMs: 100,
      startMs: 300,
      onLost: (error) => this.lost.push(error),
      spawn: this.spawn,
      ...options,
    });
    opened.push(link);
    return link;
  }

  /** Lets all calls of `wait` end. */
  open(): void {
    for (const open of this.#gates.splice(0)) open();
  }

  #handlers() {
    return {
      add: ({ a, b }: { a: number; b: number }) => a + b,
      wait: ({ beats }: { beats: number }, { report }: { report: (n: never) => void }) => {
        for (let beat = 0; beat < beats; beat++) report(beat as never);
        return new Promise<string>((resolve) => this.#gates.push(() => resolve('done')));
      },
    };
  }
}

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
const errorOf = (call: Promise<unknown>) =>
  call.then(
    () => null,
    (error: WhorlError) => error,
  );

afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
  for (const link of opened.splice(0)) link.close();
  for (const port of sides.splice(0)) port.close();
});

describe('F24 a far side that hangs', () => {
  it('is found although every call is given up long before', async () => {
    const there = new Sides();
    const link = there.link();
    await link.call('add', { a: 1, b: 1 });
    there.far[0]?.close();
    const until = performance.now() + 5_000;
    while (there.lost.length === 0 && performance.now() < until) {
      const how = { signal: AbortSignal.timeout(15), deadlineMs: 1_000 };
      const error = await errorOf(link.call('add', { a: 1, b: 1 }, how));
      if (error !== null) expect(['aborted', 'worker_lost']).toContain(error.code);
      await pause(5);
    }
    expect(there.lost).toMatchObject([{ code: 'worker_lost', retryable: true }]);
    expect(await link.call('add', { a: 2, b: 2 })).toBe(4);
    expect(there.spawned).toBe(2);
  });

  it('a call that ends by its deadline does not stop the watch', async () => {
    const there = new Sides();
    const link = there.link();
    await link.call('add', { a: 1, b: 1 });
    there.far[0]?.close();
    const late = await errorOf(link.call('add', { a: 1, b: 1 }, { deadlineMs: 50 }));
    expect(late).toMatchObject({ code: 'deadline', retryable: true });
    await expect.poll(() => there.lost.length).toBe(1);
    expect(await link.call('add', { a: 2, b: 2 })).toBe(4);
  });

  it('one that answers pings and is slow is not ended by deadlines', async () => {
    const there = new Sides();
    const link = there.link();
    for (let call = 0; call < 3; call++) {
      const late = await errorOf(link.call('wait', { beats: 0 }, { deadlineMs: 80 }));
      expect(late).toMatchObject({ code: 'deadline' });
    }
    expect(await link.call('add', { a: 1, b: 1 })).toBe(2);
    expect(there.spawned).toBe(1);
  });

  it('a worker that rests is pinged no more', async () => {
    const there = new Sides();
    const link = there.link();
    await link.call('add', { a: 1, b: 1 });
    await pause(60);
    let messages = 0;
    there.near[0]?.addEventListener('message', () => {
      messages += 1;
    });
    await pause(100);
    expect(messages).toBe(0);
  });
});

describe('F40 a page that slept', () => {
  const FAKED = ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval'] as const;

  /** Lets real messages through while timers are pretended. */
  async function turns(count: number): Promise<void> {
    for (let turn = 0; turn < count; turn++) {
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  it.each([1, 2, 3])(
    'ten minutes of timers at once end no healthy worker (seed %i)',
    async (seed) => {
      const there = new Sides();
      const link = there.link({ pingMs: 1_000, hungMs: 20_000 });
      vi.useFakeTimers({ toFake: [...FAKED] });
      await link.call('add', { a: 1, b: 1 });
      const patient = { deadlineMs: Number.POSITIVE_INFINITY };
      const call = link.call('wait', { beats: seed }, patient);
      await turns(20);
      // The page wakes up before the beat, in the middle, just before the bound.
      for (let slept = 0; slept < seed * 7; slept++) {
        vi.advanceTimersByTime(1_000);
        await turns(2);
      }
      vi.advanceTimersByTime(600_000);
      await turns(20);
      there.open();
      expect(await call).toBe('done');
      expect(there.lost).toEqual([]);
      expect(there.spawned).toBe(1);
    },
  );

  it('a far side that leaves the fresh ping unanswered, too, is ended', async () => {
    const there = new Sides();
    const link = there.link({ pingMs: 1_000, hungMs: 20_000 });
    vi.useFakeTimers({ toFake: [...FAKED] });
    await link.call('add', { a: 1, b: 1 });
    there.far[0]?.close();
    const call = errorOf(link.call('add', { a: 1, b: 1 }, { deadlineMs: 3_600_000 }));
    await turns(5);
    vi.advanceTimersByTime(600_000);
    expect(there.lost).toEqual([]);
    for (let beat = 0; beat < 23; beat++) {
      await turns(2);
      vi.advanceTimersByTime(1_000);
    }
    expect(await call).toMatchObject({ code: 'worker_lost' });
  });

  it('a deadline that rings late counts once more, and once only', async () => {
    const there = new Sides();
    const link = there.link({ hungMs: 10_000 });
    await link.call('add', { a: 1, b: 1 });
    const real = performance.now.bind(performance);
    let slept = 0;
    vi.spyOn(performance, 'now').mockImplementation(() => real() + slept);
    const how = { deadlineMs: 100 };
    const [answered, silent] = [
      link.call('wait', { beats: 0 }, how),
      link.call('wait', { beats: 0 }, how),
    ];
    await pause(20);
    slept = 600_000;
    await pause(120);
    there.open();
    expect(await answered).toBe('done');
    expect(await silent).toBe('done');
    const given = errorOf(link.call('wait', { beats: 0 }, how));
    await pause(20);
    slept += 600_000;
    await pause(120);
    slept += 600_000;
    expect(await given).toMatchObject({ code: 'deadline' });
    expect(there.spawned).toBe(1);
  });

  it('an answer that lies in the queue behind the deadline counts', async () => {
    const there = new Sides();
    const link = there.link();
    await link.call('add', { a: 1, b: 1 });
    const call = link.call('wait', { beats: 0 }, { deadlineMs: 40 });
    await pause(20);
    there.open();
    // A long task of the page: the answer comes in the middle of it, the timer is due as well.
    const until = performance.now() + 100;
    while (performance.now() < until);
    expect(await call).toBe('done');
  });
});

describe('F22 a far side that cannot be started', () => {
  it('an error event: the address is named, and the page hears no uncaught error', async () => {
    const there = new Sides();
    there.isSilent = (side) => side === 1;
    const link = there.link();
    const call = errorOf(link.call('add', { a: 1, b: 1 }));
    await expect.poll(() => there.spawned).toBe(1);
    const event = new Event('error', { cancelable: true });
    there.near[0]?.dispatchEvent(event);
    const error = await call;
    expect(error).toMatchObject({ code: 'worker_start_failed', retryable: true });
    expect(error?.message).toContain('https://host.test/w.js');
    expect(error?.message).toContain('worker-src');
    expect(event.defaultPrevented).toBe(true);
    expect(await link.call('add', { a: 1, b: 2 })).toBe(3);
  });

  it('one that is never heard of, and leaves no timer behind', async () => {
    const there = new Sides();
    there.isSilent = () => true;
    const link = there.link({ hungMs: 60_000, startMs: 80 });
    const error = await errorOf(link.call('add', { a: 1, b: 1 }));
    expect(error).toMatchObject({ code: 'worker_start_failed' });
    expect(error?.message).toContain('80 ms');
  });

  it.each([new Error('a policy forbids it'), 'not even an error'])(
    'what the host throws instead of a worker is told, typed: %s',
    async (thrown) => {
      const there = new Sides();
      let tries = 0;
      const link = there.link({
        spawn: () => {
          tries += 1;
          if (tries === 1) throw thrown;
          return there.spawn();
        },
      });
      const error = await errorOf(link.call('add', { a: 1, b: 1 }));
      expect(error).toMatchObject({ name: 'WhorlError', code: 'worker_start_failed' });
      expect(error?.message).toContain(thrown instanceof Error ? thrown.message : thrown);
      expect(await link.call('add', { a: 1, b: 2 })).toBe(3);
    },
  );
});

describe('F23 a far side that is lost', () => {
  it('stops with what it said, and all that waits rejects', async () => {
    const there = new Sides();
    const link = there.link();
    await link.call('add', { a: 1, b: 1 });
    const calls = [1, 2, 3].map(() => errorOf(link.call('wait', { beats: 0 })));
    await pause(10);
    const said = { message: 'Uncaught RangeError: no', filename: 'https://host.test/w.js' };
    const event = Object.assign(new Event('error', { cancelable: true }), { ...said, lineno: 7 });
    there.near[0]?.dispatchEvent(event);
    for (const error of await Promise.all(calls)) {
      expect(error).toMatchObject({ code: 'worker_lost', retryable: true });
      expect(error?.message).toContain('Uncaught RangeError: no, https://host.test/w.js:7');
    }
    expect(event.defaultPrevented).toBe(true);
    expect(there.lost).toHaveLength(1);
  });

  it('leaves nothing on a signal that outlives it', async () => {
    const there = new Sides();
    const link = there.link();
    const { signal } = new AbortController();
    await link.call('add', { a: 1, b: 1 }, { signal });
    expect(getEventListeners(signal, 'abort')).toHaveLength(0);
    const how = { signal, deadlineMs: Number.POSITIVE_INFINITY };
    const calls = [1, 2].map(() => errorOf(link.call('wait', { beats: 0 }, how)));
    await pause(10);
    expect(getEventListeners(signal, 'abort')).toHaveLength(2);
    there.near[0]?.dispatchEvent(new Event('error'));
    await Promise.all(calls);
    expect(getEventListeners(signal, 'abort')).toHaveLength(0);
    const late = link.call('wait', { beats: 0 }, { signal, deadlineMs: 30 });
    expect(await errorOf(late)).toMatchObject({ code: 'deadline' });
    expect(getEventListeners(signal, 'abort')).toHaveLength(0);
  });
});
