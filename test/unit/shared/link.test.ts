import { afterEach, describe, expect, it } from 'vitest';
import { milvusError, WhorlError } from '../../../src/shared/errors.ts';
import { type Far, type Handlers, Link, serve } from '../../../src/shared/link.ts';

interface Calls {
  add(request: { a: number; b: number }): number;
  fail(request: Record<string, never>): never;
  slow(request: { ms: number; beats: number }): string;
}

const handlers: Handlers<Calls> = {
  add: ({ a, b }) => a + b,
  fail: () => {
    throw milvusError(1100, 'invalid parameter', new WhorlError('internal', 'the cause'));
  },
  slow: ({ ms, beats }, context) =>
    new Promise((resolve, reject) => {
      let left = beats;
      const timer = setInterval(() => {
        context.report(left as never);
        if (left-- > 0) return;
        clearInterval(timer);
        resolve('done');
      }, ms);
      context.signal.addEventListener('abort', () => {
        clearInterval(timer);
        reject(new WhorlError('aborted', 'stopped'));
      });
    }),
};

const opened: Link<Calls>[] = [];
let spawned = 0;

/** A far side on a port; `silent` ones never answer, as a hung worker does. */
function open(options: { silent?: (n: number) => boolean; prepare?: () => Promise<void> } = {}) {
  spawned = 0;
  const lost: WhorlError[] = [];
  const ends: (() => void)[] = [];
  const link = new Link<Calls>({
    name: 'test worker',
    pingMs: 20,
    hungMs: 100,
    startMs: 200,
    ...(options.prepare ? { prepare: options.prepare } : {}),
    onLost: (error) => lost.push(error),
    spawn: (): Far => {
      const { port1, port2 } = new MessageChannel();
      spawned += 1;
      if (!options.silent?.(spawned)) serve(handlers, port2);
      ends.push(() => port2.close());
      return { endpoint: port1, end: () => port1.close() };
    },
  });
  opened.push(link);
  return { link, lost, kill: () => ends.at(-1)?.() };
}

afterEach(() => {
  for (const link of opened.splice(0)) link.close();
});

describe('a supervised link', () => {
  it('answers', async () => {
    expect(await open().link.call('add', { a: 2, b: 3 })).toBe(5);
  });

  it('carries code, Milvus code, message and cause of an error across', async () => {
    const error = await open()
      .link.call('fail', {})
      .catch((thrown) => thrown);
    expect(error).toMatchObject({ code: 'milvus', milvusCode: 1100, message: 'invalid parameter' });
    expect(error.cause).toMatchObject({ code: 'internal', message: 'the cause' });
  });

  it('refuses what is not an own method', async () => {
    const error = await open()
      .link.call('toString' as 'add', { a: 1, b: 1 })
      .catch((e) => e);
    expect(error).toMatchObject({ code: 'internal' });
  });

  it('rejects an aborted call at once and tells the other side', async () => {
    const abort = new AbortController();
    const { link } = open();
    const call = link.call('slow', { ms: 5_000, beats: 0 }, { signal: abort.signal });
    setTimeout(() => abort.abort(), 20);
    await expect(call).rejects.toMatchObject({ code: 'aborted' });
    expect(await link.call('add', { a: 1, b: 1 })).toBe(2);
    expect(spawned).toBe(1);
  });

  it('rejects with a deadline, and progress keeps it away', async () => {
    const { link } = open();
    await expect(
      link.call('slow', { ms: 5_000, beats: 0 }, { deadlineMs: 50 }),
    ).rejects.toMatchObject({ code: 'deadline', retryable: true });
    const seen: unknown[] = [];
    const done = await link.call(
      'slow',
      { ms: 30, beats: 3 },
      { deadlineMs: 80, onProgress: (n) => seen.push(n) },
    );
    expect(done).toBe('done');
    expect(seen.slice(0, 3)).toEqual([3, 2, 1]);
  });

  it('settles every pending call when the far side hangs, and starts a fresh one', async () => {
    const { link, lost, kill } = open();
    await link.call('add', { a: 1, b: 1 });
    const pending = [1, 2, 3].map(() =>
      link.call('slow', { ms: 60_000, beats: 0 }).catch((error) => error),
    );
    kill();
    for (const error of await Promise.all(pending)) {
      expect(error).toMatchObject({ code: 'worker_lost', retryable: true });
    }
    expect(lost).toHaveLength(1);
    expect(await link.call('add', { a: 4, b: 5 })).toBe(9);
    expect(spawned).toBe(2);
  });

  it('says when it never starts, and forgets the failure', async () => {
    const { link } = open({ silent: (n) => n === 1 });
    const failed = await link.call('add', { a: 1, b: 1 }).catch((error) => error);
    expect(['worker_start_failed', 'worker_lost']).toContain(failed.code);
    expect(await link.call('add', { a: 1, b: 2 })).toBe(3);
  });

  it('prepares each fresh side before any call, and a failed preparation may be tried again', async () => {
    let tries = 0;
    const { link } = open({
      prepare: async () => {
        tries += 1;
        if (tries === 1) throw new WhorlError('storage_unavailable', 'not yet');
      },
    });
    await expect(link.call('add', { a: 1, b: 1 })).rejects.toMatchObject({
      code: 'storage_unavailable',
    });
    expect(await link.call('add', { a: 1, b: 1 })).toBe(2);
  });

  it('lost between two steps of a call: the call settles', async () => {
    const { link } = open();
    await link.call('add', { a: 1, b: 1 });
    // The call has found the far side alive and waits for its turn when the far side goes.
    const call = link.call('add', { a: 1, b: 1 }).catch((error) => error);
    link.replace(new WhorlError('backend_failed', 'replaced'));
    const late = new Promise((resolve) => setTimeout(() => resolve('hangs'), 500));
    expect(await Promise.race([call, late])).toMatchObject({ code: 'backend_failed' });
  });

  it('rejects everything after close', async () => {
    const { link } = open();
    const pending = link.call('slow', { ms: 60_000, beats: 0 }).catch((error) => error);
    await new Promise((resolve) => setTimeout(resolve, 20));
    link.close();
    expect(await pending).toMatchObject({ code: 'closed' });
    await expect(link.call('add', { a: 1, b: 1 })).rejects.toMatchObject({ code: 'closed' });
  });
});
