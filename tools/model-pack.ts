/**
 * `npm run model:pack -- DIR [OUT] [--precision float32] [--max-tokens N] [--graph none]`: a
 * published model becomes what the page loads.
 *
 * DIR holds `model.safetensors`, `tokenizer.json` and `config.json`, and may hold `onnx/model.onnx`
 * (without it, or with `--graph none`, only our own kernel runs the model) and
 * `sentence_bert_config.json` (its `max_seq_length` caps the input; else 256 tokens). OUT is
 * `public/models/<name of DIR>` unless named. `--max-tokens` goes up to the model's positions. The
 * files are described in docs/model-format.md.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { parseManifest } from '../workers/embed/manifest.ts';
import { type PackedPrecision, packModel } from './model/pack.ts';

const MAX_TOKENS = 256;
const GRAPH = 'onnx/model.onnx';

interface Options {
  readonly folder: string;
  readonly out: string;
  readonly precision: PackedPrecision;
  readonly maxTokens: number;
  readonly graph: boolean;
}

function readOptions(args: readonly string[]): Options {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      precision: { type: 'string', default: 'int8' },
      'max-tokens': { type: 'string' },
      graph: { type: 'string' },
    },
  });
  const [folder, asked, extra] = positionals;
  if (!folder) throw new Error('Say which model: npm run model:pack -- DIR [OUT]');
  if (extra !== undefined) throw new Error(`"${extra}" is one folder too many.`);
  const { precision, graph } = values;
  if (precision !== 'int8' && precision !== 'float32') {
    throw new Error(`--precision is int8 or float32, not "${precision}".`);
  }
  if (graph !== undefined && graph !== 'none') throw new Error('--graph can only be "none".');
  const out = asked ?? join('public', 'models', basename(resolve(folder)));
  const maxTokens = readMaxTokens(folder, values['max-tokens']);
  const hasGraph = graph === undefined && existsSync(join(folder, GRAPH));
  return { folder, out, precision, maxTokens, graph: hasGraph };
}

function readMaxTokens(folder: string, asked: string | undefined): number {
  const path = join(folder, 'sentence_bert_config.json');
  const published = (): unknown =>
    existsSync(path) ? JSON.parse(readFileSync(path, 'utf8')).max_seq_length : undefined;
  const found = asked === undefined ? (published() ?? MAX_TOKENS) : Number(asked);
  if (!Number.isInteger(found) || Number(found) < 3) {
    throw new Error(`The longest input must be 3 tokens or more, not ${String(asked ?? found)}.`);
  }
  return Number(found);
}

async function main(args: readonly string[]): Promise<void> {
  const { folder, out, precision, maxTokens, graph } = readOptions(args);
  const read = (path: string): Uint8Array => readFileSync(join(folder, path));
  const files = await packModel({
    name: basename(resolve(folder)),
    safetensors: read('model.safetensors'),
    graph: graph ? read(GRAPH) : null,
    tokenizer: read('tokenizer.json'),
    config: JSON.parse(readFileSync(join(folder, 'config.json'), 'utf8')),
    maxTokens,
    precision,
    licence: readFileSync(new URL('../LICENSE', import.meta.url)),
  });
  const { fingerprint } = parseManifest(files.get('manifest.json') ?? new Uint8Array());
  mkdirSync(out, { recursive: true });
  for (const [path, bytes] of files) {
    writeFileSync(join(out, path), bytes);
    console.log(`${String(bytes.length).padStart(10)}  ${join(out, path)}`);
  }
  console.log(graph ? fingerprint : `${fingerprint}\nWithout a graph: ONNX Runtime cannot run it.`);
}

await main(process.argv.slice(2));
