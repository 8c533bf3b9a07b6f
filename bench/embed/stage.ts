/** Everything that the pages need, served: bundles, texts, the built library, models, the peers' files. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'rolldown';
import { type BenchServer, type Served, serveBench } from './server.ts';
import { MAX_TOKENS, PLACES } from './settings.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const MODELS = fileURLToPath(new URL('../../../shared/models/all-MiniLM-L6-v2/', import.meta.url));
const LIBRARY = join(ROOT, 'dist/lib');
const PEERS = join(ROOT, 'bench/node_modules');
const TRANSFORMERS = join(PEERS, '@huggingface/transformers');

/** Bundled apart, so that a page that measures a start loads nothing that its side does not need. */
const PAGES = [
  'page',
  'start-ours',
  'start-ours-memory',
  'start-ort',
  'start-ort-memory',
  'start-transformers',
];

export interface Stage {
  /** Its pages are cross-origin isolated: they have a fine clock and may have threads. */
  readonly isolated: BenchServer;
  /** Its pages are not, as on a plain static host. */
  readonly plain: BenchServer;
}

/**
 * @param folder An empty folder, the caller's to remove.
 * @param texts By the name that pages ask for.
 */
export async function setStage(
  folder: string,
  texts: Readonly<Record<string, readonly string[]>>,
): Promise<Stage> {
  if (!existsSync(join(LIBRARY, PLACES.lib.replace('lib/', '')))) {
    throw new Error('The library is not built: run `npm run bench:embed`, which builds it.');
  }
  writeFileSync(join(folder, PLACES.texts), JSON.stringify(texts));
  writeFileSync(join(folder, 'tokenizer_config.json'), tokenizerConfig());
  for (const page of PAGES) await bundle(page, folder);
  const served = { folders: foldersOf(folder), files: filesOf(folder) };
  return {
    isolated: await serveBench({ ...served, isolated: true }),
    plain: await serveBench({ ...served, isolated: false }),
  };
}

/**
 * The published tokenizer says 512, the model card 256. transformers.js reads the former, so it is told the
 * latter: every side has the same tokens to work on.
 */
function tokenizerConfig(): string {
  const published = JSON.parse(readFileSync(join(MODELS, 'tokenizer_config.json'), 'utf8'));
  return JSON.stringify({ ...published, model_max_length: MAX_TOKENS });
}

async function bundle(page: string, folder: string): Promise<void> {
  await build({
    input: { [page]: `bench/embed/${page}.ts` },
    cwd: ROOT,
    platform: 'browser',
    output: { dir: folder, format: 'es', entryFileNames: '[name].js', minify: true },
  });
}

function foldersOf(folder: string): Served['folders'] {
  return new Map([
    ['', folder],
    ['lib/', LIBRARY],
    [PLACES.ourModel, join(ROOT, 'public/models/all-MiniLM-L6-v2')],
    [PLACES.peerModel, MODELS],
    ['ort/', join(PEERS, 'onnxruntime-web/dist')],
    ['transformers/', join(TRANSFORMERS, 'dist')],
    ['transformers-ort/', join(runtimeOf(TRANSFORMERS), 'dist')],
  ]);
}

/** The graph names its weights `model.onnx_data`, which are those of the published file. */
function filesOf(folder: string): Served['files'] {
  return new Map([
    [`${PLACES.peerModel}onnx/model.onnx_data`, join(MODELS, 'model.safetensors')],
    [`${PLACES.peerModel}tokenizer_config.json`, join(folder, 'tokenizer_config.json')],
  ]);
}

/** The onnxruntime-web that a package uses: its own, or the one beside it. */
function runtimeOf(folder: string): string {
  const own = join(folder, 'node_modules/onnxruntime-web');
  return existsSync(own) ? own : join(PEERS, 'onnxruntime-web');
}

/** Exact versions of what is compared with. */
export function peerVersions(): Readonly<Record<string, string>> {
  const versionOf = (path: string): string =>
    JSON.parse(readFileSync(join(path, 'package.json'), 'utf8')).version;
  return {
    'onnxruntime-web': versionOf(join(PEERS, 'onnxruntime-web')),
    '@huggingface/tokenizers': versionOf(join(PEERS, '@huggingface/tokenizers')),
    '@huggingface/transformers': versionOf(TRANSFORMERS),
    'onnxruntime-web of @huggingface/transformers': versionOf(runtimeOf(TRANSFORMERS)),
  };
}
