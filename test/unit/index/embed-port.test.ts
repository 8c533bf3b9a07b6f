/** The index worker's side of the lanes: ports that come, go and die, and vectors that are kept. */
import { afterEach, describe, expect, test } from 'vitest';
import { WhorlError } from '../../../src/shared/errors.ts';
import { type Handlers, serve } from '../../../src/shared/link.ts';
import type {
  EmbedContract,
  EmbedderInfo,
  EmbeddingNews,
  LanePort,
} from '../../../src/shared/types.ts';
import { EmbedPort } from '../../../workers/index/embed-port.ts';
import { INFO } from '../engine/fake-workers.ts';
import { numbered, vectorsOf } from '../shared/fake-lane.ts';

type PortContract = Pick<EmbedContract, 'embed' | 'info'>;

const ports: MessagePort[] = [];
const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

/** The far end of a lane. */
class Far {
  readonly texts: string[] = [];
  queries = 0;
  info: EmbedderInfo | null = INFO;
  onEmbed: () => Promise<void> | void = () => {};
  readonly near: LanePort;

  constructor(info: Partial<EmbedderInfo> = {}) {
    this.info = { ...INFO, ...info };
    const { port1, port2 } = new MessageChannel();
    this.near = { id: ports.length, port: port2 };
    ports.push(port1, port2);
    const handlers: Handlers<PortContract> = {
      embed: async ({ texts, priority }, { report }) => {
        report({ done: texts.length, total: texts.length } as never);
        if (priority === 'query') this.queries += 1;
        await this.onEmbed();
        this.texts.push(...texts);
        const { fingerprint = '' } = this.info ?? {};
        return { vectors: vectorsOf(texts), dimension: 2, fingerprint, tokens: texts.length };
      },
      info: () => this.info,
    };
    serve<PortContract>(handlers, port1);
  }
}

afterEach(() => {
  for (const port of ports.splice(0)) port.close();
});

async function connected(...fars: Far[]): Promise<EmbedPort> {
  const embedder = new EmbedPort();
  await embedder.connect(fars.map(({ near }) => near));
  return embedder;
}

describe('ports to embed workers', () => {
  test('without one text cannot become vectors; with one it tells the model behind it', async () => {
    const embedder = new EmbedPort();
    await expect(embedder.embed({ texts: ['1'] }, {})).rejects.toMatchObject({
      code: 'embedder_unavailable',
      retryable: true,
    });
    expect(await embedder.connect([new Far().near])).toBe('double-1');
    const idle = new Far();
    idle.info = null;
    expect(await embedder.connect([idle.near])).toBeNull();
    embedder.close();
  });

  test('share bulk work; queries go to the first that is no GPU', async () => {
    const lanes = [new Far({ backend: 'webgpu' }), new Far(), new Far()];
    for (const lane of lanes) lane.onEmbed = () => pause(2);
    const embedder = await connected(...lanes);
    const texts = numbered(2_000);
    const seen: number[] = [];
    const result = await embedder.embed({ texts }, { onProgress: (done) => seen.push(done) });
    expect(result.vectors).toEqual(vectorsOf(texts));
    expect(seen.at(-1)).toBe(2_000);
    for (const lane of lanes) expect(lane.texts.length).toBeGreaterThan(0);
    await embedder.embed({ texts: ['1'], priority: 'query' }, {});
    expect(lanes.map(({ queries }) => queries)).toEqual([0, 1, 0]);
    embedder.close();
  });

  test('that come later join, or take the place of the others', async () => {
    const [first, second, third] = [new Far(), new Far(), new Far()];
    const embedder = await connected(first);
    await embedder.connect([second.near], true);
    await embedder.embed({ texts: ['1'], priority: 'query' }, {});
    expect([first.queries, second.queries]).toEqual([1, 0]);
    await embedder.connect([third.near]);
    await embedder.embed({ texts: ['1'], priority: 'query' }, {});
    expect([first.queries, second.queries, third.queries]).toEqual([1, 0, 1]);
    embedder.close();
  });

  test('whose backend failed is not asked again, the page is told which, and the call goes on elsewhere', async () => {
    const [bad, good] = [new Far(), new Far()];
    bad.onEmbed = () => {
      throw new WhorlError('backend_failed', 'spent');
    };
    const embedder = await connected(bad, good);
    const failures: EmbeddingNews['failed'][] = [];
    const stop = new AbortController();
    void embedder.watch(({ failed }) => failed && failures.push(failed), stop.signal);
    expect((await embedder.embed({ texts: numbered(100) }, {})).tokens).toBe(100);
    expect(failures).toEqual([{ id: bad.near.id, code: 'backend_failed', message: 'spent' }]);
    stop.abort();
    bad.onEmbed = () => {};
    await embedder.embed({ texts: ['1'], priority: 'query' }, {});
    expect([bad.queries, good.queries]).toEqual([0, 1]);
    embedder.close();
  });

  test("to the host's own embedder stay: what it fails on ends no other call", async () => {
    const host = new Far({ backend: 'custom' });
    const failures: unknown[] = [];
    let refuse = (_: WhorlError): void => {};
    host.onEmbed = () => pause(80);
    const embedder = await connected(host);
    void embedder.watch(
      ({ failed }) => failed && failures.push(failed),
      new AbortController().signal,
    );
    const texts = numbered(300);
    const bulk = embedder.embed({ texts }, {});
    // Its first slice is there, and is answered after the query.
    await pause(20);
    host.onEmbed = () => new Promise((_, reject) => (refuse = reject));
    const query = embedder.embed({ texts: ['1'], priority: 'query' }, {});
    await pause(10);
    host.onEmbed = () => {};
    refuse(new WhorlError('backend_failed', 'a text that it does not take'));
    await expect(query).rejects.toMatchObject({ code: 'backend_failed' });
    expect((await bulk).vectors).toEqual(vectorsOf(texts));
    expect(failures).toEqual([]);
    embedder.close();
  });

  test.each([
    ['custom', 1],
    ['wasm', 0],
  ] as const)(
    'a query to "%s" is followed %i times: only the host lets calls wait for each other',
    async (backend, times) => {
      const embedder = await connected(new Far({ backend }));
      const seen: number[] = [];
      const request = { texts: ['1'], priority: 'query' } as const;
      await embedder.embed(request, { onProgress: (done) => seen.push(done) });
      await pause(20);
      expect(seen).toEqual(Array(times).fill(1));
      embedder.close();
    },
  );

  test('of which none answers any more: the page is asked for another, and may bring it', async () => {
    const only = new Far();
    only.onEmbed = () => {
      throw new WhorlError('embedder_unavailable', 'not started');
    };
    const embedder = await connected(only);
    for (let i = 0; i < 2; i++) {
      await expect(embedder.embed({ texts: ['1'] }, {})).rejects.toMatchObject({
        code: 'embedder_unavailable',
      });
    }
    await embedder.connect([new Far().near]);
    expect((await embedder.embed({ texts: ['1'] }, {})).tokens).toBe(1);
    embedder.close();
  });

  test('tell how much waits, to whoever watches, until they stop', async () => {
    const far = new Far();
    far.onEmbed = () => pause(5);
    const embedder = await connected(far);
    const seen: (number | undefined)[] = [];
    const stop = new AbortController();
    const watching = embedder.watch(({ waiting }) => seen.push(waiting), stop.signal);
    await embedder.embed({ texts: numbered(300) }, {});
    expect(seen[0]).toBe(300);
    expect(seen.at(-1)).toBe(0);
    stop.abort();
    await watching;
    const told = seen.length;
    await embedder.embed({ texts: numbered(100) }, {});
    expect(seen).toHaveLength(told);
    // Who comes in the middle is told at once.
    const late: (number | undefined)[] = [];
    const call = embedder.embed({ texts: numbered(300) }, {});
    void embedder.watch(({ waiting }) => late.push(waiting), new AbortController().signal);
    expect(late).toEqual([300]);
    await call;
    embedder.close();
  });
});

describe('vectors that are kept', () => {
  test('answer without the lanes until their text is erased, which others are told', async () => {
    const far = new Far();
    let told = 0;
    const embedder = new EmbedPort(() => {
      told += 1;
    });
    embedder.keep(100_000);
    await embedder.connect([far.near]);
    await embedder.embed({ texts: ['1', '2'] }, {});
    await embedder.embed({ texts: ['1', '2'] }, {});
    expect(far.texts).toEqual(['1', '2']);
    embedder.erased(['1']);
    await embedder.embed({ texts: ['1', '2'] }, {});
    expect(far.texts).toEqual(['1', '2', '1']);
    embedder.erased('all');
    await embedder.embed({ texts: ['1', '2'] }, {});
    expect(far.texts).toHaveLength(5);
    expect(told).toBe(2);
    // Somebody else's erasure is not told on.
    embedder.forget();
    await embedder.embed({ texts: ['1'] }, {});
    expect(far.texts).toHaveLength(6);
    expect(told).toBe(2);
    embedder.close();
  });

  test('are forgotten when another model is connected, also where it would have to make nothing', async () => {
    const [first, other] = [new Far(), new Far({ fingerprint: 'double-2' })];
    const embedder = new EmbedPort();
    embedder.keep(100_000);
    await embedder.connect([first.near]);
    expect((await embedder.embed({ texts: ['1'] }, {})).fingerprint).toBe('double-1');
    expect(await embedder.connect([other.near])).toBe('double-2');
    expect((await embedder.embed({ texts: ['1'] }, {})).fingerprint).toBe('double-2');
    // A worker of the same model in the place of one that was lost costs nothing that is kept.
    const again = new Far({ fingerprint: 'double-2' });
    await embedder.connect([again.near]);
    await embedder.embed({ texts: ['1'] }, {});
    expect(again.texts).toEqual([]);
    embedder.close();
  });
});
