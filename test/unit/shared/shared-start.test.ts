import { describe, expect, it } from 'vitest';
import { SharedStart } from '../../../src/shared-start.ts';

/** A start that the test ends by hand. */
function controlled() {
  const runs: {
    signal: AbortSignal;
    report: (n: number) => void;
    resolve: (v: string) => void;
    reject: (e: Error) => void;
  }[] = [];
  const start = new SharedStart<string, number>(
    (signal, report) =>
      new Promise((resolve, reject) => {
        runs.push({ signal, report, resolve, reject });
        signal.addEventListener('abort', () => reject(new Error('aborted')));
      }),
  );
  return { start, runs };
}

describe('a shared start', () => {
  it('runs once for many, and is remembered', async () => {
    const { start, runs } = controlled();
    const waits = [start.wait(), start.wait()];
    runs[0]?.resolve('up');
    expect(await Promise.all(waits)).toEqual(['up', 'up']);
    expect(await start.wait()).toBe('up');
    expect(runs).toHaveLength(1);
  });

  it('forgets a failure', async () => {
    const { start, runs } = controlled();
    const first = start.wait();
    runs[0]?.reject(new Error('no'));
    await expect(first).rejects.toThrow('no');
    const second = start.wait();
    runs[1]?.resolve('up');
    expect(await second).toBe('up');
  });

  it('goes on while one still waits, and stops when the last has gone', async () => {
    const { start, runs } = controlled();
    const [a, b] = [new AbortController(), new AbortController()];
    const waits = [start.wait({ signal: a.signal }), start.wait({ signal: b.signal })];
    a.abort();
    await expect(waits[0]).rejects.toMatchObject({ code: 'aborted' });
    expect(runs[0]?.signal.aborted).toBe(false);
    b.abort();
    await expect(waits[1]).rejects.toMatchObject({ code: 'aborted' });
    expect(runs[0]?.signal.aborted).toBe(true);
    const again = start.wait();
    runs[1]?.resolve('up');
    expect(await again).toBe('up');
  });

  it('does not stop what has succeeded, and starts anew when told to forget', async () => {
    const { start, runs } = controlled();
    const wait = start.wait({ signal: new AbortController().signal });
    runs[0]?.resolve('up');
    await wait;
    expect(runs[0]?.signal.aborted).toBe(false);
    start.forget();
    const next = start.wait();
    runs[1]?.resolve('again');
    expect(await next).toBe('again');
  });

  it('tells progress to those who wait', async () => {
    const { start, runs } = controlled();
    const seen: number[] = [];
    const wait = start.wait({ onProgress: (n) => seen.push(n) });
    runs[0]?.report(1);
    runs[0]?.report(2);
    runs[0]?.resolve('up');
    await wait;
    expect(seen).toEqual([1, 2]);
  });
});
