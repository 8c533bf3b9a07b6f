/**
 * The page of the golden check: starts the real embed worker and answers with token ids and vectors.
 * It reads the golden files itself, so that every text arrives exactly as it is written there.
 */
import { Link } from '../../src/shared/link.ts';
import type {
  Backend,
  CallOptions,
  EmbedContract,
  EmbedderInfo,
  EmbedProgress,
  EmbedStartRequest,
} from '../../src/shared/types.ts';
import { spawnWorker } from '../../src/spawn.ts';

export interface GoldenAnswers {
  readonly info: EmbedderInfo;
  readonly ids: number[][];
  /** One vector a text of `vectors.json`. */
  readonly vectors: number[][];
  /** Query and description of `tavern.json`; empty where the file is missing. */
  readonly tavern: number[][];
}

/** What runs; of our own kernel, which of its builds and which arithmetic. */
export interface GoldenRun
  extends Pick<EmbedStartRequest, 'variant' | 'precision' | 'allowFallbackAdapter'> {
  readonly backend: Backend;
}

export interface GoldenQuestion {
  readonly run: GoldenRun;
  /** Which of the files are there. */
  readonly files: readonly string[];
}

/** All texts of the usual folder in one call, so that like lengths meet. */
const CHUNK = 256;
/** SwiftShader on a busy machine takes its time; only silence counts. */
const PATIENCE = { deadlineMs: 600_000, onProgress: () => {} };

async function answer({ run, files }: GoldenQuestion): Promise<GoldenAnswers> {
  const link = new Link<EmbedContract>({
    name: 'embed worker',
    spawn: () => spawnWorker(new URL('embed.worker.js', location.href), 'embed'),
    startMs: 60_000,
    hungMs: 240_000,
  });
  try {
    const info = await link.call('start', startRequest(run), PATIENCE);
    const tokens = await golden<{ text: string }[]>(files, 'tokens.json', []);
    const vectors = await golden<{ text: string }[]>(files, 'vectors.json', []);
    const tavern = await golden<{ query: string; description: string } | null>(
      files,
      'tavern.json',
      null,
    );
    const { ids } = await link.call(
      'tokenize',
      { texts: tokens.map(({ text }) => text) },
      PATIENCE,
    );
    return {
      info,
      ids: ids.map((sequence) => [...sequence]),
      vectors: await embed(
        link,
        vectors.map(({ text }) => text),
      ),
      tavern: await embed(link, tavern ? [tavern.query, tavern.description] : []),
    };
  } finally {
    link.close();
  }
}

function startRequest(run: GoldenRun): EmbedStartRequest {
  const at = (path: string): string => new URL(path, location.href).href;
  return {
    ...run,
    assets: at('model/'),
    ort: {
      wasmModule: at('ort/ort.wasm.bundle.min.mjs'),
      wasmBinary: at('ort/ort-wasm-simd-threaded.wasm'),
      webgpuModule: at('ort/ort.webgpu.bundle.min.mjs'),
      webgpuBinary: at('ort/ort-wasm-simd-threaded.asyncify.wasm'),
    },
  };
}

async function golden<T>(files: readonly string[], name: string, absent: T): Promise<T> {
  if (!files.includes(name)) return absent;
  return (await fetch(`golden/${name}`)).json() as Promise<T>;
}

async function embed(link: Link<EmbedContract>, texts: readonly string[]): Promise<number[][]> {
  const rows: number[][] = [];
  for (let at = 0; at < texts.length; at += CHUNK) {
    const chunk = texts.slice(at, at + CHUNK);
    const { vectors, dimension } = await link.call('embed', { texts: chunk }, {
      ...PATIENCE,
      // The tool prints it: SwiftShader takes minutes.
      onProgress: ({ done }: EmbedProgress) => console.log(`${at + done} of ${texts.length} texts`),
    } as CallOptions<never>);
    chunk.forEach((_, i) => {
      rows.push([...vectors.subarray(i * dimension, (i + 1) * dimension)]);
    });
  }
  return rows;
}

Object.assign(globalThis, {
  // An error crosses into the tool as plain text with its code.
  golden: (question: GoldenQuestion) =>
    answer(question).catch((error) => {
      throw new Error(`${error.code ?? 'internal'}: ${error.message}`);
    }),
});
