import { describe, expect, it } from 'vitest';
import type { Memo, SessionPorts } from '../../../src/app/ports.ts';
import { sampleRecords } from '../../../src/app/sample/sample.ts';
import { type Notice, Session } from '../../../src/app/session.ts';
import { abilityOf } from '../../../src/app/state.ts';
import type { Generator } from '../../../src/loop/types.ts';
import { WhorlError } from '../../../src/shared/errors.ts';
import { FakeEngine, type FakeScript } from '../../fakes/app-engine.ts';

const GENERATOR: Generator = {
  name: 'none',
  extractive: true,
  generate: () => Promise.reject(new WhorlError('unsupported', 'Not called by the fake loop.')),
};

interface Stage {
  readonly session: Session;
  readonly engine: FakeEngine;
  readonly memory: Map<string, string>;
  readonly notices: Notice[];
  readonly frames: (() => void)[];
  readonly later: (() => void)[];
}

function stage(script: Partial<FakeScript> = {}, prepare?: (engine: FakeEngine) => void): Stage {
  const engine = new FakeEngine({ answer: () => ['One. ', 'Two.'], ...script });
  prepare?.(engine);
  const memory = new Map<string, string>();
  const memo: Memo = {
    read: (key) => memory.get(key) ?? null,
    write: (key, value) => void memory.set(key, value),
  };
  const frames: (() => void)[] = [];
  const later: (() => void)[] = [];
  const ports: SessionPorts = {
    startEngine: async () => engine,
    sample: sampleRecords,
    generator: GENERATOR,
    probe: async () => 'no_key',
    memo,
    room: async () => ({ usedBytes: 1, quotaBytes: 2, persisted: true }),
    persist: async () => true,
    keepSite: async () => true,
    frame: (callback) => void frames.push(callback),
    later: (callback) => void later.push(callback),
  };
  const session = new Session(ports);
  const notices: Notice[] = [];
  session.addEventListener('notice', (event) =>
    notices.push((event as CustomEvent<Notice>).detail),
  );
  return { session, engine, memory, notices, frames, later };
}

/** Lets every promise that can settle do so. */
const settle = () => new Promise((resolve) => setTimeout(resolve, 5));

function gate(): { readonly wait: Promise<void>; readonly open: () => void } {
  let open = (): void => {};
  const wait = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { wait, open };
}

describe('the first visit', () => {
  it('shows the sample before anything has started', () => {
    const { session } = stage();
    expect(session.state.records).toHaveLength(sampleRecords.length);
    expect(session.state.records[0]?.id).toBeNull();
    expect(abilityOf(session.state)).toBe('words');
  });

  it('fills the index once and says how far it is', async () => {
    const { session, engine, memory } = stage();
    const seen: number[] = [];
    session.addEventListener('change', () => {
      const { indexing } = session.state;
      if (indexing.state === 'running') seen.push(indexing.done);
    });
    await session.start();
    expect(engine.rows).toHaveLength(sampleRecords.length);
    expect(seen).toEqual([0, 6, 12, 18, 24, 30, 36, 42, 48, 54, 60, 66]);
    expect(session.state.indexing.state).toBe('ready');
    expect(session.state.records[0]?.id).toBe('1');
    expect(memory.get('whorl.seeded')).toBe('1');
    expect(abilityOf(session.state)).toBe('ask');
  });

  it('searches by words before the model is ready, and asks what waited as soon as it is', async () => {
    const { wait, open } = gate();
    const { session, engine, notices } = stage({}, (one) => {
      one.prepared = wait;
    });
    const started = session.start();
    await settle();
    session.submit('horseradish in the yard');
    await settle();
    expect(session.state.found?.by).toBe('words');
    expect(session.state.found?.items[0]?.record.name).toBe('The Eel and Lantern');
    expect(session.state.waiting).toBe('horseradish in the yard');
    expect(engine.turnsStored).toHaveLength(0);
    open();
    await started;
    await settle();
    expect(session.state.waiting).toBeNull();
    expect(session.state.found).toBeNull();
    expect(notices.map((notice) => notice.kind)).toEqual(['answered']);
  });

  it('keeps searching by words when the model fails, and tries again when told', async () => {
    const { session, engine } = stage({}, (one) => {
      one.prepared = Promise.reject(new WhorlError('network', 'No answer.'));
      one.prepared.catch(() => {});
    });
    await session.start();
    expect(session.state.problem?.code).toBe('network');
    expect(abilityOf(session.state)).toBe('words');
    await session.search('horseradish');
    expect(session.state.found?.items.length).toBeGreaterThan(0);
    engine.prepared = Promise.resolve();
    session.state.problem?.retry?.();
    await settle();
    expect(session.state.indexing.state).toBe('ready');
  });

  it('goes on where it was cut, and embeds nothing twice', async () => {
    const { session, engine, memory } = stage();
    const insert = engine.insert.bind(engine);
    let left = 13;
    engine.insert = (row) => {
      left -= 1;
      if (left < 0) throw new WhorlError('worker_lost', 'The index worker stopped.');
      return insert(row);
    };
    await session.start();
    expect(session.state.problem).toMatchObject({ code: 'worker_lost', during: 'index' });
    expect(session.state.indexing.state).toBe('failed');
    expect(memory.get('whorl.seeded')).toBeUndefined();
    engine.insert = insert;
    session.state.problem?.retry?.();
    await settle();
    const names = engine.rows.map((row) => row.name);
    expect(names).toHaveLength(sampleRecords.length);
    expect(new Set(names).size).toBe(sampleRecords.length);
  });

  it('begins anew and says so when the browser took everything away', async () => {
    const { session, engine, memory } = stage();
    memory.set('whorl.seeded', '1');
    await session.start();
    expect(engine.rows).toHaveLength(sampleRecords.length);
    expect(session.state.indexing.state).toBe('ready');
    expect(session.state.problem).toMatchObject({ code: 'storage_lost', during: 'index' });
    session.submit('Which inn?');
    await settle();
    expect(engine.turnsStored).toHaveLength(1);
  });

  it('does not bring back what the person deleted', async () => {
    const { session, engine, memory } = stage({}, (one) => {
      one.hasCollection = true;
    });
    memory.set('whorl.seeded', '1');
    await session.start();
    expect(engine.rows).toHaveLength(0);
    expect(session.state.records).toHaveLength(0);
    expect(session.state.indexing.state).toBe('ready');
  });

  it('says so when the engine does not start, and starts it when told', async () => {
    const { session, engine } = stage();
    const broken = new Session({
      ...portsOf(session),
      startEngine: failOnce(engine),
    });
    await broken.start();
    expect(broken.state.problem).toMatchObject({ code: 'worker_start_failed', during: 'start' });
    broken.state.problem?.retry?.();
    await settle();
    expect(broken.state.indexing.state).toBe('ready');
  });
});

/** Ports like those of a stage, for a session of another make. */
function portsOf(_: Session): Omit<SessionPorts, 'startEngine'> {
  return {
    sample: sampleRecords,
    generator: GENERATOR,
    probe: async () => 'key',
    memo: { read: () => null, write: () => {} },
    room: async () => ({ usedBytes: null, quotaBytes: null, persisted: false }),
    persist: async () => false,
    keepSite: async () => false,
    frame: (callback) => callback(),
    later: () => {},
  };
}

function failOnce(engine: FakeEngine): () => Promise<FakeEngine> {
  let isFirst = true;
  return async () => {
    if (!isFirst) return engine;
    isFirst = false;
    throw new WhorlError('worker_start_failed', 'The index worker could not be started.');
  };
}

describe('a turn', () => {
  it('streams at pictures, then is a stored turn', async () => {
    const { wait, open } = gate();
    let pieces = 0;
    const { session, frames, engine } = stage({
      answer: () => ['One. ', 'Two. ', 'Three.'],
      pause: () => (++pieces === 3 ? wait : Promise.resolve()),
    });
    await session.start();
    session.submit('How many?');
    await settle();
    expect(session.state.running).toMatchObject({ question: 'How many?', text: '' });
    expect(session.state.running?.hits).toHaveLength(5);
    expect(frames).toHaveLength(1);
    frames.shift()?.();
    expect(session.state.running?.text).toBe('One. Two. ');
    open();
    await settle();
    expect(session.state.running).toBeNull();
    expect(session.state.turns.map(({ turn }) => turn.answer)).toEqual(['One. Two. Three.']);
    expect(engine.turnsStored).toHaveLength(1);
  });

  it('stops, keeps on screen what arrived, and can be asked again', async () => {
    let isFirst = true;
    const { session, engine } = stage({
      pause: (signal) => {
        if (!isFirst) return Promise.resolve();
        return new Promise((resolve) => signal?.addEventListener('abort', () => resolve()));
      },
    });
    await session.start();
    session.submit('Long?');
    await settle();
    session.stop();
    isFirst = false;
    await settle();
    expect(session.state.running?.state).toBe('stopped');
    expect(session.state.problem).toBeNull();
    expect(engine.turnsStored).toHaveLength(0);
    session.retry();
    await settle();
    expect(session.state.turns[0]?.turn.question).toBe('Long?');
  });

  it('lets the newest question win', async () => {
    const first = gate();
    let asked = 0;
    const { session, frames, notices } = stage({
      answer: (question) => [`${question} `, 'end'],
      pause: (signal) => {
        asked += 1;
        if (asked !== 2) return Promise.resolve();
        signal?.addEventListener('abort', first.open);
        return first.wait;
      },
    });
    await session.start();
    session.submit('old');
    await settle();
    session.submit('new');
    await settle();
    for (const frame of frames.splice(0)) frame();
    expect(session.state.running).toBeNull();
    expect(session.state.turns.map(({ turn }) => turn.question)).toEqual(['new']);
    expect(notices).toHaveLength(1);
    expect(session.state.problem).toBeNull();
  });

  it('shows what arrived of a failed answer, with the reason and a way on', async () => {
    let isBroken = true;
    const { session } = stage({
      onAsk: () => {
        if (isBroken) throw new WhorlError('overloaded', 'Busy.', { retryable: true });
      },
    });
    await session.start();
    session.submit('Now?');
    await settle();
    expect(session.state.running?.state).toBe('failed');
    expect(session.state.problem).toMatchObject({ code: 'overloaded', during: 'ask' });
    isBroken = false;
    session.state.problem?.retry?.();
    await settle();
    expect(session.state.problem).toBeNull();
    expect(session.state.turns).toHaveLength(1);
  });

  it('ignores empty questions and bounds long ones', async () => {
    const { session, engine } = stage();
    await session.start();
    session.submit('   ');
    await settle();
    expect(engine.turnsStored).toHaveLength(0);
    session.submit('x'.repeat(10_000));
    await settle();
    expect(engine.turnsStored[0]?.question).toHaveLength(2_000);
  });
});

describe('a rating', () => {
  it('is shown at once and kept', async () => {
    const { session, engine, notices } = stage();
    await session.start();
    session.submit('Good?');
    await settle();
    const id = session.state.turns[0]!.turn.id;
    const rated = session.rate(id, 'up');
    expect(session.state.turns[0]?.vote).toBe('up');
    await rated;
    expect(engine.turnsStored[0]?.vote).toBe('up');
    expect(session.state.summary?.rated).toBe(1);
    expect(notices.at(-1)).toEqual({ kind: 'rated', vote: 'up' });
    await session.rateHit(id, '3', 'down');
    expect(engine.turnsStored[0]?.hitVotes).toEqual({ 3: 'down' });
  });

  it('goes back on screen when it could not be kept', async () => {
    const { session, engine } = stage();
    await session.start();
    session.submit('Good?');
    await settle();
    const id = session.state.turns[0]!.turn.id;
    engine.writeError = new WhorlError('not_leader', 'Another tab writes.');
    await session.rate(id, 'down');
    expect(session.state.turns[0]?.vote).toBeNull();
    expect(session.state.problem).toMatchObject({ code: 'not_leader', during: 'rate' });
  });
});

describe('after a reload', () => {
  it('has records, turns and ratings again', async () => {
    const first = stage();
    await first.session.start();
    first.session.submit('Still there?');
    await settle();
    await first.session.rate(first.session.state.turns[0]!.turn.id, 'up');
    const again = new Session({ ...portsOf(first.session), startEngine: async () => first.engine });
    await again.start();
    expect(again.state.indexing.state).toBe('ready');
    expect(again.state.records).toHaveLength(sampleRecords.length);
    expect(again.state.turns.map(({ vote }) => vote)).toEqual(['up']);
    expect(first.engine.rows).toHaveLength(sampleRecords.length);
  });
});

describe('a second tab', () => {
  const follower = {
    storage: 'indexeddb',
    durability: 'durable',
    role: 'follower',
    collections: 1,
    modes: [],
  } as const;

  it('asks, rates and writes like the first', async () => {
    const first = stage();
    await first.session.start();
    first.engine.say({ store: follower });
    const second = new Session({
      ...portsOf(first.session),
      startEngine: async () => first.engine,
    });
    await second.start();
    expect(abilityOf(second.state)).toBe('ask');
    second.submit('horseradish');
    await settle();
    expect(first.engine.turnsStored).toHaveLength(1);
    await second.rate(second.state.turns[0]!.turn.id, 'up');
    expect(first.engine.turnsStored[0]?.vote).toBe('up');
    expect(await second.add({ ...sampleRecords[0]!, name: 'The Oak' })).toBe(true);
  });

  it('where nothing can be written, searches and does not ask', async () => {
    const first = stage();
    await first.session.start();
    first.engine.say({
      store: { ...follower, modes: ['read_only'], why: 'Another tab upgraded.' },
    });
    const second = new Session({
      ...portsOf(first.session),
      startEngine: async () => first.engine,
    });
    await second.start();
    expect(abilityOf(second.state)).toBe('read');
    second.submit('horseradish');
    await settle();
    expect(second.state.found?.by).toBe('meaning');
    expect(second.state.waiting).toBeNull();
    expect(first.engine.turnsStored).toHaveLength(0);
  });

  it('waits for the records of the first, and writes none', async () => {
    const { session, engine, memory, later } = stage({}, (one) => one.say({ store: follower }));
    await session.start();
    expect(engine.rows).toHaveLength(0);
    expect(later).toHaveLength(1);
    engine.hasCollection = true;
    engine.rows.push({ id: '1', name: 'The Oak', description: 'One table.', lang: 'en' });
    later.shift()?.();
    await settle();
    // The first tab is in the middle of it: this one goes on waiting.
    expect(later).toHaveLength(1);
    expect(engine.rows).toHaveLength(1);
    memory.set('whorl.seeded', '1');
    later.shift()?.();
    await settle();
    expect(session.state.records.map(({ name }) => name)).toEqual(['The Oak']);
  });

  it('takes over when the first is gone', async () => {
    const { session, engine } = stage({}, (one) => one.say({ store: follower }));
    await session.start();
    engine.say({ store: { ...follower, role: 'leader' } });
    await settle();
    expect(engine.rows).toHaveLength(sampleRecords.length);
    expect(abilityOf(session.state)).toBe('ask');
  });
});

describe('records', () => {
  it('are added and deleted, and said', async () => {
    const { session, engine, notices } = stage();
    await session.start();
    const draft = { ...sampleRecords[0]!, name: 'The Oak' };
    expect(await session.add(draft)).toBe(true);
    const added = session.state.records.at(-1)!;
    expect(added.name).toBe('The Oak');
    await session.remove(added);
    expect(engine.rows).toHaveLength(sampleRecords.length);
    expect(notices.map(({ kind }) => kind)).toEqual(['added', 'removed']);
  });

  it('stay as they are when a change fails', async () => {
    const { session, engine } = stage();
    await session.start();
    engine.writeError = new WhorlError('storage_full', 'No room.');
    expect(await session.add(sampleRecords[0]!)).toBe(false);
    await session.remove(session.state.records[0]!);
    expect(session.state.records).toHaveLength(sampleRecords.length);
    expect(session.state.problem?.code).toBe('storage_full');
  });
});

describe('the end', () => {
  it('closes the engine, also one that started too late', async () => {
    const { session, engine } = stage();
    const started = session.start();
    await session.close();
    await started;
    expect(engine.closed).toBe(true);
  });
});
