import { afterAll } from 'vitest';
import { claude } from '../../src/loop/generate/claude.ts';
import { extractive } from '../../src/loop/generate/extractive.ts';
import { fallback } from '../../src/loop/generate/fallback.ts';
import { type MessagesServer, promptText, startMessagesServer } from '../fakes/messages-server.ts';
import { generatorSuite } from './generator-suite.ts';

const servers: MessagesServer[] = [];

afterAll(async () => {
  await Promise.all(servers.map((server) => server.close()));
});

/** Claude, as the stand-in plays it: an answer of many small events that repeats what it was asked. */
async function stoodIn() {
  const server = await startMessagesServer(
    (body) => ({
      text: `On ${promptText(body).split('\n').at(-1)} I say this [1].`,
      deltaLength: 6,
      delayMs: 1,
    }),
    { key: null, checkVersion: false },
  );
  servers.push(server);
  return claude({ endpoint: server.url, model: 'claude-haiku-4-5' });
}

generatorSuite({ name: 'claude, streamed', make: stoodIn });
generatorSuite({ name: 'extractive', make: () => extractive() });
generatorSuite({
  name: 'fallback, with Claude at hand',
  make: async () => fallback(await stoodIn(), extractive()),
});
generatorSuite({
  name: 'fallback, with nobody there',
  make: () => fallback(claude({ endpoint: 'http://127.0.0.1:9', retries: 0 }), extractive()),
});
generatorSuite({
  name: 'fallback, known to have no key',
  make: async () => fallback(await stoodIn(), extractive(), { available: () => false }),
});
