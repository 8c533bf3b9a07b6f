/** A full storage, with a clock of its own: who is refused, who passes, when it is asked again. */
import { beforeEach, describe, expect, test } from 'vitest';
import { WhorlError } from '../../../src/shared/errors.ts';
import type { StorageUsage } from '../../../src/shared/types.ts';
import { Background } from '../../../workers/index/background.ts';
import { QuotaGate } from '../../../workers/index/quota.ts';
import { tick } from './core-fixture.ts';

const full = () => new WhorlError('storage_full', 'full', { retryable: true });
const settle = async (): Promise<void> => {
  for (let i = 0; i < 10; i++) await Promise.resolve();
};

/** One timer at a time, as the gate has. */
class Timer {
  waits: number[] = [];
  #call: (() => void) | null = null;

  readonly after = (ms: number, call: () => void): (() => void) => {
    this.waits.push(ms);
    this.#call = call;
    return () => {
      if (this.#call === call) this.#call = null;
    };
  };

  get isSet(): boolean {
    return this.#call !== null;
  }

  async fire(): Promise<void> {
    const call = this.#call;
    this.#call = null;
    call?.();
    await settle();
  }
}

let timer: Timer;
/** Bytes that the storage would take; undefined: as many as anyone likes. */
let room: number | undefined;
let probes: number[];
let sentences: (string | null)[];
let rooms: number;

beforeEach(() => {
  timer = new Timer();
  room = undefined;
  probes = [];
  sentences = [];
  rooms = 0;
});

function gate(
  estimate: () => Promise<StorageUsage | null> = async () => null,
  canProbe = true,
): QuotaGate {
  const probe = async (bytes: number): Promise<void> => {
    probes.push(bytes);
    if (room !== undefined && bytes > room) throw full();
  };
  return new QuotaGate({
    probe: canProbe ? probe : null,
    estimate,
    onChange: (why) => sentences.push(why),
    onRoom: () => {
      rooms += 1;
    },
    after: timer.after,
  });
}

const change = (bytes = 0) =>
  ({
    kind: 'insert',
    collection: 1,
    record: null,
    chunks: [{ field: 1, generation: 0, chunk: { data: new ArrayBuffer(bytes) } }],
  }) as unknown as Parameters<QuotaGate['failed']>[1];

describe('while the storage is full', () => {
  test('what grows it is refused with the time to wait; reading, deletes and tidying pass', async () => {
    const quota = gate();
    room = 0;
    quota.failed(full(), change());
    await settle();
    expect(quota.full).toBe(true);
    for (const call of ['entities/insert', 'entities/upsert', 'collections/create']) {
      expect(() => quota.admitCall(call)).toThrow(
        expect.objectContaining({ code: 'storage_full', retryable: true, retryAfterMs: 2_000 }),
      );
    }
    for (const kind of ['insert', 'upsert', 'create', 'reembed'] as const) {
      expect(() => quota.admit(kind)).toThrow(expect.objectContaining({ code: 'storage_full' }));
    }
    for (const call of ['entities/delete', 'collections/drop', 'entities/search']) {
      expect(() => quota.admitCall(call)).not.toThrow();
    }
    for (const kind of ['delete', 'drop', 'load', 'release'] as const) {
      expect(() => quota.admit(kind)).not.toThrow();
    }
    expect(() => quota.admitBackground()).toThrow(
      expect.objectContaining({ code: 'storage_full' }),
    );
  });

  test('it asks at once, after 1, 2, 4 .. 30 seconds, and leaves by itself', async () => {
    const quota = gate();
    room = 0;
    quota.failed(full(), change(100_000));
    await settle();
    for (let i = 0; i < 7; i++) await timer.fire();
    expect(timer.waits).toEqual([1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000, 30_000]);
    expect(probes).toEqual(Array(8).fill(100_000));
    expect(rooms).toBe(0);
    room = 100_000;
    await timer.fire();
    expect(quota.full).toBe(false);
    expect(timer.isSet).toBe(false);
    expect(rooms).toBe(1);
    expect(sentences.at(-1)).toBeNull();
    expect(() => quota.admitCall('entities/insert')).not.toThrow();
  });

  test('a call that would grow it asks first, so that whoever made room need not wait', async () => {
    const quota = gate();
    room = 0;
    quota.failed(full(), change());
    await settle();
    const before = probes.length;
    await quota.askAgain('entities/search');
    expect(probes.length).toBe(before);
    await quota.askAgain('entities/insert');
    expect(probes.length).toBe(before + 1);
    expect(() => quota.admitCall('entities/insert')).toThrow(/full/);
    expect(timer.isSet).toBe(true);
    room = 1e9;
    await quota.askAgain('entities/insert');
    expect(() => quota.admitCall('entities/insert')).not.toThrow();
    expect(quota.full).toBe(false);
    expect(timer.isSet).toBe(false);
  });

  test('it asks again after a delete, and at the first pause when it is full another time', async () => {
    const quota = gate();
    room = 0;
    quota.failed(full(), change());
    await settle();
    await timer.fire();
    expect(probes.length).toBe(2);
    room = 1_000_000;
    quota.committed('delete');
    await settle();
    expect(quota.full).toBe(false);
    room = 0;
    quota.failed(full(), change());
    await settle();
    expect(timer.waits.at(-1)).toBe(1_000);
  });

  test('a probe is as large as what was refused, from 4 KiB to 1 MiB', async () => {
    room = 0;
    for (const [bytes, probe] of [
      [10, 4_096],
      [50_000, 50_000],
      [90_000_000, 1_048_576],
    ] as const) {
      probes = [];
      gate().failed(full(), change(bytes));
      await settle();
      expect(probes).toEqual([probe]);
    }
  });

  test('the sentence names what the browser says of the space', async () => {
    const quota = gate(async () => ({ bytes: 1_250_000, quota: 2_000_000 }));
    room = 0;
    quota.failed(full(), change());
    await settle();
    expect(sentences).toEqual([
      expect.stringContaining('is full:'),
      expect.stringContaining('is full (1.3 of 2.0 MB)'),
    ]);
    expect(quota.usage).toEqual({ bytes: 1_250_000, quota: 2_000_000 });
    room = 10_000;
    await timer.fire();
    expect(quota.usage).toBeNull();
  });

  test('a delete during a probe asks once more: its answer may be of before', async () => {
    let answer = (): void => {};
    let asked = 0;
    const quota = new QuotaGate({
      probe: () => {
        asked += 1;
        return new Promise((resolve, reject) => {
          answer = asked === 1 ? () => reject(full()) : resolve;
        });
      },
      estimate: async () => null,
      onChange: () => {},
      onRoom: () => {},
      after: timer.after,
    });
    quota.failed(full(), change());
    quota.committed('delete');
    expect(asked).toBe(1);
    answer();
    await settle();
    expect(asked).toBe(2);
    answer();
    await settle();
    expect(quota.full).toBe(false);
  });

  test('other errors are no matter of the gate', () => {
    const quota = gate();
    quota.failed(new WhorlError('storage_lost', 'lost'), change());
    quota.failed(new Error('x'), change());
    expect(quota.full).toBe(false);
    expect(probes).toEqual([]);
  });

  test('a storage that cannot be asked is tried by the next change', () => {
    const quota = gate(undefined, false);
    quota.failed(full(), change());
    expect(quota.full).toBe(true);
    expect(() => quota.admitCall('entities/insert')).not.toThrow();
    quota.committed('insert');
    expect(quota.full).toBe(false);
  });

  test('a tab that no longer writes, and one that is closed, ask nothing more', async () => {
    const quota = gate();
    room = 0;
    quota.failed(full(), change());
    await settle();
    quota.reset();
    expect([quota.full, timer.isSet, sentences.at(-1)]).toEqual([false, false, null]);
    quota.failed(full(), change());
    await settle();
    quota.close();
    expect(timer.isSet).toBe(false);
    const asked = probes.length;
    quota.failed(full(), change());
    await settle();
    expect(probes.length).toBe(asked);
  });
});

describe('background work that finds no room', () => {
  test('waits alone where a small change still fits: 30 s, 1 min, or until something is deleted', async () => {
    const quota = gate();
    room = 5_000;
    quota.backgroundFailed(full());
    await settle();
    expect(quota.full).toBe(false);
    expect(() => quota.admitCall('entities/insert')).not.toThrow();
    expect(() => quota.admitBackground()).toThrow(
      expect.objectContaining({ code: 'storage_full' }),
    );
    expect(timer.waits).toEqual([30_000]);
    await timer.fire();
    expect(rooms).toBe(1);
    expect(() => quota.admitBackground()).not.toThrow();
    quota.backgroundFailed(full());
    await settle();
    expect(timer.waits).toEqual([30_000, 60_000]);
    quota.committed('delete');
    expect(rooms).toBe(2);
    expect(timer.isSet).toBe(false);
  });

  test('brings the mode where a small change does not fit either', async () => {
    const quota = gate();
    room = 0;
    quota.backgroundFailed(full());
    await settle();
    expect(quota.full).toBe(true);
    room = 5_000;
    await timer.fire();
    expect([quota.full, rooms]).toEqual([false, 1]);
    expect(() => quota.admitBackground()).not.toThrow();
  });

  test('is parked, and runs again from its beginning when there is room', async () => {
    const ends: (string | null)[] = [];
    const background = new Background({
      pause: tick,
      onEnd: (trouble) => ends.push(trouble?.code ?? null),
    });
    let runs = 0;
    background.add('graph', async () => {
      runs += 1;
      if (runs < 3) throw full();
    });
    background.add('other', async () => {});
    await background.idle();
    expect([runs, ends]).toEqual([1, ['storage_full', null]]);
    background.resume();
    await background.idle();
    background.resume();
    await background.idle();
    expect([runs, ends]).toEqual([3, ['storage_full', null, 'storage_full', null]]);
    background.resume();
    await background.idle();
    expect(runs).toBe(3);
    await background.close();
  });
});
