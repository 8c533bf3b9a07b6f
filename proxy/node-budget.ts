/** The token budget in a file, so that a restart does not open the day again. */
import { mkdir, open, readFile, rename } from 'node:fs/promises';
import { join } from 'node:path';
import * as v from 'valibot';
import type { BudgetState, BudgetStore } from './budget.ts';
import { ProxyError } from './proxy-error.ts';

const schema = v.strictObject({
  version: v.literal(1),
  day: v.pipe(v.string(), v.isoDate()),
  tokens: v.pipe(v.number(), v.integer(), v.minValue(0)),
});

/**
 * Keeps the budget in `budget.json` of a directory that is made when it is missing. A write goes to
 * a second file that then takes the first one's name, so a reader sees the old or the new state.
 * One process a directory: two would overwrite each other's count.
 */
export function fileBudgetStore(directory: string): BudgetStore {
  const path = join(directory, 'budget.json');
  return {
    load: async () => {
      await mkdir(directory, { recursive: true, mode: 0o700 });
      return parse(await readIfThere(path), path);
    },
    save: (state) => replace(path, JSON.stringify(state)),
  };
}

async function readIfThere(path: string): Promise<string | null> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
}

function parse(text: string | null, path: string): BudgetState | null {
  if (text === null) return null;
  try {
    return v.parse(schema, JSON.parse(text));
  } catch (cause) {
    // Starting at zero would open the budget to whoever can damage the file.
    throw new ProxyError(
      'storage_unavailable',
      `The token budget in ${path} cannot be read. Delete the file to start today's budget anew.`,
      { cause },
    );
  }
}

async function replace(path: string, text: string): Promise<void> {
  const next = `${path}.${process.pid}.tmp`;
  const file = await open(next, 'w', 0o600);
  try {
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(next, path);
}
