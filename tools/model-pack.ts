/**
 * `npm run model:pack -- DIR [OUT]`: a published model becomes what the page loads.
 *
 * DIR holds `model.safetensors`, `tokenizer.json`, `config.json` and `onnx/model.onnx`, and may hold
 * `sentence_bert_config.json` (its `max_seq_length` caps the input; else 256 tokens). OUT is
 * `public/models/<name of DIR>` unless named. The files are described in docs/model-format.md.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { parseManifest } from '../workers/embed/manifest.ts';
import { packModel } from './model/pack.ts';

const MAX_TOKENS = 256;

function maxTokensOf(folder: string): number {
  const path = join(folder, 'sentence_bert_config.json');
  if (!existsSync(path)) return MAX_TOKENS;
  return JSON.parse(readFileSync(path, 'utf8')).max_seq_length ?? MAX_TOKENS;
}

function main([folder, asked]: readonly string[]): void {
  if (!folder) throw new Error('Say which model: npm run model:pack -- DIR [OUT]');
  const name = basename(resolve(folder));
  const out = asked ?? join('public', 'models', name);
  const read = (path: string): Uint8Array => readFileSync(join(folder, path));
  const files = packModel({
    name,
    safetensors: read('model.safetensors'),
    graph: read('onnx/model.onnx'),
    tokenizer: read('tokenizer.json'),
    config: JSON.parse(readFileSync(join(folder, 'config.json'), 'utf8')),
    maxTokens: maxTokensOf(folder),
    licence: readFileSync(new URL('../LICENSE', import.meta.url)),
  });
  const { fingerprint } = parseManifest(files.get('manifest.json') ?? new Uint8Array());
  mkdirSync(out, { recursive: true });
  for (const [path, bytes] of files) {
    writeFileSync(join(out, path), bytes);
    console.log(`${String(bytes.length).padStart(10)}  ${join(out, path)}`);
  }
  console.log(fingerprint);
}

main(process.argv.slice(2));
