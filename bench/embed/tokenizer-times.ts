/** What the tokenizer takes of a query: ours, and the one that peers have, which is Hugging Face's. */
import { Tokenizer } from '@huggingface/tokenizers';
import { createTokenizer } from '../../workers/embed/tokenizer.ts';
import type { Clock } from './rounds.ts';
import { MAX_TOKENS, PLACES } from './settings.ts';

/** Milliseconds of each round over all texts. */
export interface TokenizerTimes {
  readonly ours: readonly number[];
  readonly peer: readonly number[];
}

export async function timeTokenizers(
  texts: readonly string[],
  rounds: number,
  clock: Clock,
): Promise<TokenizerTimes> {
  const ours = createTokenizer(await bytesOf(`${PLACES.ourModel}tokenizer.json`), MAX_TOKENS);
  const peer = new Tokenizer(
    await jsonOf(`${PLACES.peerModel}tokenizer.json`),
    await jsonOf(`${PLACES.peerModel}tokenizer_config.json`),
  );
  const times = { ours: [] as number[], peer: [] as number[] };
  for (let round = 0; round < rounds; round++) {
    await clock.pause();
    times.ours.push(timed(texts, (text) => ours.encode(text), clock));
    times.peer.push(timed(texts, (text) => peer.encode(text), clock));
  }
  return times;
}

function timed(texts: readonly string[], work: (text: string) => unknown, clock: Clock): number {
  const start = clock.now();
  for (const text of texts) work(text);
  return clock.now() - start;
}

async function bytesOf(path: string): Promise<Uint8Array<ArrayBuffer>> {
  return new Uint8Array(await (await fetch(path)).arrayBuffer());
}

async function jsonOf(path: string): Promise<object> {
  return (await fetch(path)).json();
}
