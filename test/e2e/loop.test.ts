/**
 * The loop in Chromium, from the published library on the built site: retrieval in four languages,
 * learning from a rating, reload, offline, abort in mid-stream, death of a worker.
 */
import { readFileSync } from 'node:fs';
import type { Browser, BrowserContext, Page } from 'playwright';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { MilvusRow } from '../../src/shared/milvus-types.ts';
import { type MessagesServer, startMessagesServer } from '../fakes/messages-server.ts';
import { PROGRAM_PAGES, startEngine } from '../support/program.ts';
import { complaintsOf, launch, type Site, startSite } from '../support/site.ts';

interface SampleQuestion {
  readonly lang: string;
  readonly question: string;
  readonly answer: string;
  readonly reworded: string;
}

function json<T>(path: string): T {
  return JSON.parse(readFileSync(new URL(path, import.meta.url), 'utf8')) as T;
}

const records = json<MilvusRow[]>('../../src/app/sample/taverns.json');
const questions = json<SampleQuestion[]>('../fixtures/sample-questions.json');

let upstream: MessagesServer;
let site: Site;
let browser: Browser;
let context: BrowserContext;
let page: Page;
let complaints: string[];

/** Opens the library's page in the present context and starts engine and loop over the sample. */
async function openLoop(generator: 'claude' | 'extractive'): Promise<void> {
  await page.goto(`${site.url}program.html`);
  await page.waitForFunction(() => window.whorl !== undefined);
  await startEngine(page);
  await page.evaluate(
    async ({ data, name }) => {
      const { milvus } = window.engine;
      const { has } = await milvus.hasCollection({ collectionName: 'sample' });
      if (!has) {
        const text = (fieldName: string) => ({
          fieldName,
          dataType: 'VarChar' as const,
          elementTypeParams: { max_length: 4000 },
        });
        await milvus.createCollection({
          collectionName: 'sample',
          schema: {
            autoID: true,
            fields: [
              { fieldName: 'id', dataType: 'Int64', isPrimary: true },
              ...['name', 'location', 'famous_visitor', 'lang', 'description'].map(text),
              { fieldName: 'vector', dataType: 'FloatVector', elementTypeParams: { dim: 384 } },
            ],
            functions: [
              {
                name: 'embed',
                type: 'TextEmbedding',
                inputFieldNames: ['description'],
                outputFieldNames: ['vector'],
              },
            ],
          },
          indexParams: [{ fieldName: 'vector', metricType: 'COSINE', indexType: 'HNSW' }],
        });
        await milvus.insert({ collectionName: 'sample', data: JSON.parse(data) });
      }
      await window.engine.prepare();
      const { claude, extractive } = window.whorl;
      window.taverns = window.engine.loop({
        collectionName: 'sample',
        textField: 'description',
        generator: name === 'claude' ? claude({ endpoint: location.origin }) : extractive(),
      });
    },
    { data: JSON.stringify(records), name: generator },
  );
}

beforeAll(async () => {
  upstream = await startMessagesServer(() => 'It is in the first source [1].');
  site = await startSite({ upstream, pages: PROGRAM_PAGES });
  browser = await launch();
  context = await browser.newContext();
});

afterAll(async () => {
  await browser?.close();
  await site?.close();
  await upstream?.close();
});

// One profile for all: the records are embedded once, and each test finds what the one before left.
beforeEach(async () => {
  page = await context.newPage();
  complaints = complaintsOf(page);
});

afterEach(async () => {
  await page.close();
  expect(complaints).toEqual([]);
});

describe('retrieval', () => {
  it('finds the record within three hits in each language', async () => {
    await openLoop('extractive');
    const found = await page.evaluate(
      (asked) =>
        Promise.all(
          asked.map(async ({ question }) => {
            const hits = await window.taverns.search(question, { limit: 3 });
            return hits.map(({ row }) => row.name);
          }),
        ),
      questions,
    );
    const missed = questions.filter(({ answer }, i) => !found[i]?.includes(answer));
    for (const lang of ['en', 'ja', 'zh', 'ko']) {
      const asked = questions.filter((question) => question.lang === lang).length;
      const lost = missed.filter((question) => question.lang === lang);
      expect(asked).toBe(10);
      expect(
        lost.length,
        `missed: ${lost.map(({ question }) => question).join(' | ')}`,
      ).toBeLessThanOrEqual(1);
    }
  });
});

describe('learning', () => {
  it('a rated question improves its reworded sister, says why, and is kept over a reload', async () => {
    await openLoop('extractive');
    const learnt = await page.evaluate(
      async (asked) => {
        for (const { question, reworded, answer } of asked) {
          const before = await window.taverns.search(reworded, { limit: 10 });
          const was = before.find(({ row }) => row.name === answer);
          if (!was || was.rank === 1) continue;
          const turn = await window.taverns.ask(question, { limit: 10 });
          const right = turn.hits.find(({ row }) => row.name === answer);
          if (!right) continue;
          await turn.rateHit(right.id, 'up');
          const after = await window.taverns.search(reworded, { limit: 10 });
          const is = after.find(({ row }) => row.name === answer);
          return {
            reworded,
            answer,
            question,
            was: was.rank,
            is: is?.rank ?? null,
            why: is?.why ?? null,
            learnt: is?.parts.learnt ?? 0,
          };
        }
        return null;
      },
      questions.filter(({ lang }) => lang === 'en'),
    );
    expect(learnt, 'a question whose sister is not already first').not.toBeNull();
    expect(learnt?.is).not.toBeNull();
    expect(learnt?.is as number).toBeLessThan(learnt?.was as number);
    expect(learnt?.why).toMatchObject({ question: learnt?.question, liked: true });
    expect(learnt?.why?.places).toBe((learnt?.was ?? 0) - (learnt?.is ?? 0));
    expect(learnt?.learnt).toBeGreaterThan(0);

    await openLoop('extractive');
    const again = await page.evaluate(async (reworded) => {
      const hits = await window.taverns.search(reworded, { limit: 10 });
      const turns = await window.taverns.turns();
      return {
        hits: hits.map(({ row, rank }) => ({ name: row.name, rank })),
        votes: turns.flatMap(({ hitVotes }) => Object.values(hitVotes)),
      };
    }, learnt?.reworded ?? '');
    expect(again.hits.find(({ name }) => name === learnt?.answer)?.rank).toBe(learnt?.is);
    expect(again.votes).toContain('up');
  });
});

describe('a turn', () => {
  it('streams, cites, is judged, and what is admitted is kept with its provenance', async () => {
    await openLoop('extractive');
    const kept = await page.evaluate(async (question) => {
      const stages: string[] = [];
      const turn = await window.taverns.ask(question, {
        limit: 3,
        onStage: (stage) => stages.push(stage),
      });
      const rows = await window.engine.milvus.query({
        collectionName: 'sample__generated',
        filter: turn.generatedId === null ? 'id == "none"' : `id == "${turn.generatedId}"`,
      });
      const { rate, rateHit, openHit, ...record } = turn;
      return {
        record,
        stages,
        rows: rows.length,
        functions: [rate, rateHit, openHit].every((f) => typeof f === 'function'),
      };
    }, questions[0]?.question ?? '');
    expect(kept.stages).toEqual(['embed', 'retrieve', 'generate', 'evaluate', 'store']);
    expect(kept.record.retrieval).toBe('hybrid');
    expect(kept.record.extractive).toBe(true);
    expect(kept.record.citations.length).toBeGreaterThan(0);
    expect(kept.record.verdict.citationValidity).toBe(1);
    expect(kept.record.verdict.decision).toBe('admitted');
    expect(kept.rows).toBe(1);
    expect(kept.functions).toBe(true);
  });

  it('that is aborted in mid-stream stores nothing and stops upstream', async () => {
    await openLoop('claude');
    upstream.use(() => ({
      text: 'One word after the other comes down the line. '.repeat(40),
      delayMs: 50,
    }));
    const { code, tokens, before, turns } = await page.evaluate(async (question) => {
      const before = (await window.taverns.turns()).length;
      const abort = new AbortController();
      let tokens = 0;
      const onToken = () => {
        tokens += 1;
        if (tokens === 3) abort.abort();
      };
      const code = await window.taverns.ask(question, { signal: abort.signal, onToken }).then(
        () => 'resolved',
        (error) => error.code,
      );
      return { code, tokens, before, turns: (await window.taverns.turns()).length };
    }, questions[0]?.question ?? '');
    expect(code).toBe('aborted');
    expect(tokens).toBeGreaterThanOrEqual(3);
    expect(turns).toBe(before);
    const last = upstream.requests.at(-1);
    await last?.over;
    expect(last?.disconnected).toBe(true);
    upstream.use(() => 'It is in the first source [1].');
  });

  it('goes on without a network: the model is here, the answer is quoted', async () => {
    await openLoop('extractive');
    await context.setOffline(true);
    const turn = await page.evaluate(async (question) => {
      const { answer, extractive, hits } = await window.taverns.ask(question, { limit: 3 });
      return { answer, extractive, hits: hits.length };
    }, questions[0]?.question ?? '');
    await context.setOffline(false);
    expect(turn).toMatchObject({ extractive: true, hits: 3 });
    expect(turn.answer.length).toBeGreaterThan(20);
  });
});

describe('a worker that dies', () => {
  it.each(['embed', 'index'] as const)(
    '%s: pending calls settle, the next one works, nothing is lost',
    async (which) => {
      await page.addInitScript(() => {
        const workers: Worker[] = [];
        const Native = Worker;
        Object.assign(window, { workers });
        window.Worker = class extends Native {
          constructor(url: string | URL, options?: WorkerOptions) {
            super(url, options);
            workers.push(this);
            Object.defineProperty(this, 'label', { value: options?.name });
          }
        };
      });
      await openLoop('extractive');
      const outcome = await page.evaluate(async (name) => {
        const workers = (window as unknown as { workers: (Worker & { label: string })[] }).workers;
        const text = 'a lamp in the window and soup on the stove '.repeat(20);
        const pending =
          name === 'embed'
            ? window.engine.embed(Array.from({ length: 400 }, (_, i) => `${text} ${i}`))
            : window.engine.milvus.insert({
                collectionName: 'sample',
                data: Array.from({ length: 200 }, (_, i) => ({
                  name: `n${i}`,
                  location: '',
                  famous_visitor: '',
                  lang: 'en',
                  description: `${text} ${i}`,
                })),
              });
        const settled = pending.then(
          () => 'resolved',
          (error) => error.code,
        );
        await new Promise((resolve) => setTimeout(resolve, 300));
        const ended = workers.filter(({ label }) => label === `whorl ${name}`);
        for (const worker of ended) worker.terminate();
        const code = await settled;
        const { dimension } = await window.engine.embed(['after']);
        const [row] = await window.engine.milvus.query({
          collectionName: 'sample',
          outputFields: ['count(*)'],
        });
        return {
          code,
          dimension,
          count: Number(row?.['count(*)']),
          ended: ended.length,
          restarts: window.engine.status.restarts,
        };
      }, which);
      expect(outcome.code).toBe('worker_lost');
      expect(outcome.dimension).toBe(384);
      expect(outcome.count).toBe(records.length);
      // Of embed workers there may be several by then; all of them were ended.
      expect(outcome.ended).toBeGreaterThan(0);
      expect(outcome.restarts[which]).toBe(outcome.ended);
    },
  );
});
