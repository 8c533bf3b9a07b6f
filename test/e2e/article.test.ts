/**
 * The article's program, line for line, in Chromium against the built site, the built proxy and a
 * stand-in for the Claude API that answers each tavern with the description of the recorded dataset.
 */
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Browser, Page } from 'playwright';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { CreateCollectionBody } from '../../src/shared/milvus-types.ts';
import { type MessagesServer, startMessagesServer } from '../fakes/messages-server.ts';
import { openProgram, PROGRAM_PAGES, startEngine } from '../support/program.ts';
import { launch, type Site, startSite } from '../support/site.ts';

const DATASET = fileURLToPath(
  new URL('../../../shared/conformance/datasets/taverns10.json', import.meta.url),
);
const recorded = existsSync(DATASET);

interface Tavern {
  readonly name: string;
  readonly location: string;
  readonly famous_visitor: string;
  readonly description: string;
}

/** Two taverns of our own, for a machine without the recorded dataset. */
const OWN: readonly Tavern[] = [
  {
    name: 'The Burrow Arms',
    location: 'Underhill',
    famous_visitor: 'Rosie Tumble',
    description:
      'The Burrow Arms in Underhill is a cozy, low-ceilinged inn where hobbits gather by the fire. Rosie Tumble, most famous of the hobbits, comes here every Friday.',
  },
  {
    name: 'The Iron Quay',
    location: 'Port Sable',
    famous_visitor: 'Captain Orre',
    description:
      'The Iron Quay in Port Sable is a loud dockside hall of steel and glass. Captain Orre unloads crates of salted fish there before dawn.',
  },
];

const VARCHAR = { dataType: 'VarChar', elementTypeParams: { max_length: 3000 } } as const;

function program(): { create: CreateCollectionBody; taverns: readonly Tavern[] } {
  if (recorded) {
    const { create, rows } = JSON.parse(readFileSync(DATASET, 'utf8')) as {
      create: CreateCollectionBody;
      rows: Tavern[];
    };
    return {
      create,
      taverns: rows.map(({ name, location, famous_visitor, description }) => ({
        name,
        location,
        famous_visitor,
        description,
      })),
    };
  }
  const fields = ['name', 'description', 'location', 'famous_visitor'].map((fieldName) => ({
    fieldName,
    ...VARCHAR,
  }));
  return {
    create: {
      collectionName: 'taverns10',
      schema: {
        autoID: true,
        fields: [
          { fieldName: 'id', dataType: 'Int64', isPrimary: true },
          ...fields,
          {
            fieldName: 'vector_embedding',
            dataType: 'FloatVector',
            elementTypeParams: { dim: 384 },
          },
        ],
      },
      indexParams: [
        {
          fieldName: 'vector_embedding',
          metricType: 'IP',
          indexType: 'HNSW',
          params: { M: 48, efConstruction: 200 },
        },
      ],
    },
    taverns: OWN,
  };
}

describe("the article's program", () => {
  const { create, taverns } = program();
  let upstream: MessagesServer;
  let site: Site;
  let browser: Browser;
  let page: Page;

  beforeAll(async () => {
    upstream = await startMessagesServer((body) => {
      const asked = JSON.stringify(body);
      const tavern = taverns.find(({ name }) => asked.includes(name));
      return tavern?.description ?? 'There is no such tavern.';
    });
    site = await startSite({ upstream, pages: PROGRAM_PAGES });
    browser = await launch();
    page = await openProgram(browser, site);
    await startEngine(page);
  });

  afterAll(async () => {
    await browser?.close();
    await site?.close();
    await upstream?.close();
  });

  it('creates the collection', async () => {
    await page.evaluate(
      (body) => window.engine.milvus.createCollection(JSON.parse(body)),
      JSON.stringify(create),
    );
    const described = await page.evaluate(() =>
      window.engine.milvus.describeCollection({ collectionName: 'taverns10' }),
    );
    expect(described.collectionName).toBe('taverns10');
    expect(described.indexes).toMatchObject([{ fieldName: 'vector_embedding', metricType: 'IP' }]);
  });

  it('generates, embeds and inserts a description for each tavern', async () => {
    const rows = taverns.map(({ name, location, famous_visitor }) => ({
      name,
      location,
      famous_visitor,
    }));
    const result = await page.evaluate(async (data) => {
      const { claude } = window.whorl;
      window.taverns = window.engine.loop({
        collectionName: 'taverns10',
        textField: 'description',
        generator: claude({
          endpoint: location.origin,
          model: 'claude-3-opus-20240229',
          temperature: 0,
        }),
      });
      return window.taverns.enrich({
        rows: JSON.parse(data),
        template:
          'Write a description of this tavern. Name: {name}. Location: {location}. Famous visitor: {famous_visitor}.',
        into: 'description',
        maxTokens: 1_000,
      });
    }, JSON.stringify(rows));
    expect(result.records.map(({ state, reason }) => [state, reason])).toEqual(
      taverns.map(() => ['inserted', null]),
    );
    expect(result.generated).toBe(taverns.length);
  });

  it('calls the generator zero times when it runs again', async () => {
    const before = upstream.requests.length;
    const rows = taverns.map(({ name, location, famous_visitor }) => ({
      name,
      location,
      famous_visitor,
    }));
    const result = await page.evaluate(
      (data) =>
        window.taverns.enrich({
          rows: JSON.parse(data),
          template:
            'Write a description of this tavern. Name: {name}. Location: {location}. Famous visitor: {famous_visitor}.',
          into: 'description',
          maxTokens: 1_000,
        }),
      JSON.stringify(rows),
    );
    expect(result.skipped).toBe(taverns.length);
    expect(upstream.requests.length).toBe(before);
    const [row] = await page.evaluate(() =>
      window.engine.milvus.query({ collectionName: 'taverns10', outputFields: ['count(*)'] }),
    );
    expect(Number(row?.['count(*)'])).toBe(taverns.length);
  });

  it('loads', async () => {
    const state = await page.evaluate(async () => {
      await window.engine.milvus.loadCollection({ collectionName: 'taverns10' });
      return window.engine.milvus.getCollectionLoadState({ collectionName: 'taverns10' });
    });
    expect(state.loadState).toBe('LoadStateLoaded');
  });

  it('finds the cozy place frequented by famous hobbits', async () => {
    const hits = await page.evaluate(async () => {
      const { vectors } = await window.engine.embed(['A cozy place frequented by famous hobbits']);
      return window.engine.milvus.search({
        collectionName: 'taverns10',
        data: [vectors],
        annsField: 'vector_embedding',
        limit: 3,
        searchParams: { metricType: 'IP', params: { nprobe: 10 } },
        outputFields: ['name', 'description', 'location'],
      });
    });
    if (!recorded) {
      expect(hits.map(({ name }) => name)).toEqual(OWN.map(({ name }) => name));
      return;
    }
    expect(hits).toHaveLength(Math.min(3, taverns.length));
    expect(hits[0]?.name).toBe('Green Dragon');
    expect(Math.abs((hits[0]?.distance ?? 0) - 0.581)).toBeLessThanOrEqual(0.004);
    expect(hits[1]?.name).toBe('The Prancing Pony');
    expect(Math.abs((hits[1]?.distance ?? 0) - 0.47)).toBeLessThanOrEqual(0.004);
    expect(hits[0]?.description).toBe(
      taverns.find(({ name }) => name === 'Green Dragon')?.description,
    );
  });

  it('is all there after a reload', async () => {
    await page.reload();
    await page.waitForFunction(() => window.whorl !== undefined);
    await startEngine(page);
    const { state, rows } = await page.evaluate(async () => {
      const collectionName = 'taverns10';
      return {
        state: await window.engine.milvus.getCollectionLoadState({ collectionName }),
        rows: await window.engine.milvus.query({
          collectionName,
          filter: 'id > 0',
          outputFields: ['name'],
        }),
      };
    });
    expect(state.loadState).toBe('LoadStateLoaded');
    expect(new Set(rows.map(({ name }) => name))).toEqual(new Set(taverns.map(({ name }) => name)));
  });

  it('sent what the current API takes, and said what it changed', async () => {
    const [first] = upstream.requests;
    expect(first?.body).toHaveProperty('messages');
    expect(first?.body).not.toHaveProperty('temperature');
    expect(first?.body).not.toMatchObject({ model: 'claude-3-opus-20240229' });
    const headers = await page.evaluate(async () => {
      const response = await fetch('./v1/messages', {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({
          model: 'claude-3-opus-20240229',
          max_tokens: 100,
          temperature: 0,
          messages: [{ role: 'user', content: 'Name: none' }],
        }),
      });
      return { status: response.status, text: JSON.stringify([...response.headers]) };
    });
    expect(headers.status).toBe(200);
    expect(headers.text).toMatch(/claude-3-opus-20240229/);
    expect(headers.text).toMatch(/temperature/);
  });
});
