/** The model in `public/` is what the packer makes of the published weights, byte for byte. */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
const SOURCE = join(ROOT, '../shared/models/all-MiniLM-L6-v2');
const COMMITTED = join(ROOT, 'public/models/all-MiniLM-L6-v2');

function hashes(folder: string): Record<string, string> {
  const files = readdirSync(folder).sort();
  const hash = (file: string) => createHash('sha256').update(readFileSync(join(folder, file)));
  return Object.fromEntries(files.map((file) => [file, hash(file).digest('hex')]));
}

describe('the committed model', () => {
  it.skipIf(!existsSync(SOURCE))(
    'is made by model:pack (skipped without ../shared/models)',
    () => {
      const folder = mkdtempSync(join(tmpdir(), 'whorl-model-'));
      try {
        const tsx = join(ROOT, 'node_modules/tsx/dist/cli.mjs');
        execFileSync(process.execPath, [tsx, 'tools/model-pack.ts', SOURCE, folder], { cwd: ROOT });
        expect(hashes(folder)).toEqual(hashes(COMMITTED));
      } finally {
        rmSync(folder, { recursive: true, force: true });
      }
    },
    1_200_000,
  );
});
