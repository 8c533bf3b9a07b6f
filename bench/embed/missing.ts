/** What the benchmark needs of `../shared`, which not every checkout has. */
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const SHARED = fileURLToPath(new URL('../../../shared/', import.meta.url));
const NEEDED = ['data/cranfield', 'data/med', 'data/stsb', 'golden', 'models/all-MiniLM-L6-v2'];

const absent = NEEDED.find((folder) => !existsSync(SHARED + folder));

/** Why the benchmark cannot run here, or null. */
export const missing = absent === undefined ? null : `../shared/${absent} is absent`;
