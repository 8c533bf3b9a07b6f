/**
 * Vectors of a collection and of its reworded queries, kept in `node_modules/.cache`. Embedding takes
 * minutes on a slow machine, so what is done is written as it goes and a second run goes on from there.
 */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Minilm } from './minilm.ts';

const CACHE = fileURLToPath(new URL('../../node_modules/.cache/whorl-feedback/', import.meta.url));
const PIECE = 64;

/** Unit vectors of texts, in their order. */
export async function vectorsOf(name: string, texts: readonly string[]): Promise<Float32Array[]> {
  const vectors: Float32Array[] = [];
  let model: Minilm | null = null;
  mkdirSync(CACHE, { recursive: true });
  for (let at = 0; at < texts.length; at += PIECE) {
    const piece = texts.slice(at, at + PIECE);
    const key = createHash('sha256').update(JSON.stringify(piece)).digest('hex').slice(0, 24);
    const path = `${CACHE}${key}.f32`;
    if (!existsSync(path)) {
      model ??= new Minilm();
      const rows = await model.embed(piece);
      writeFileSync(path, new Uint8Array(rows.buffer));
      console.error(`${name}: ${Math.min(at + PIECE, texts.length)} of ${texts.length} embedded`);
    }
    const rows = new Float32Array(new Uint8Array(readFileSync(path)).buffer);
    const size = rows.length / piece.length;
    for (let i = 0; i < piece.length; i++) vectors.push(rows.slice(i * size, (i + 1) * size));
  }
  return vectors;
}
