/**
 * Checks what the compiler cannot: who imports whom, and that the core touches no global of a thread.
 * Prints each violation as `file:line: what`, and exits 1 when there is one.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize, relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const IMPORT = /(?:from|import)\s*\(?\s*['"](\.[^'"]+)['"]/g;

/** Names of one thread; the core takes what it needs of them from outside. */
const THREAD_GLOBALS =
  /\b(?:window|document|navigator|localStorage|indexedDB|caches|self|globalThis\.(?:fetch|caches|navigator|indexedDB))\b(?=\s*[.[(?])|(?<![.\w])(?:fetch|postMessage|setTimeout\.call)\(/;

const STAGES = ['retrieve', 'prompt', 'generate', 'evaluate', 'feedback', 'memory', 'enrich'];

interface Rule {
  readonly says: string;
  /** Whether an import of `to` by `from` (both relative to the root) is against the rule. */
  forbids(from: string, to: string): boolean;
}

function stageOf(path: string): string | undefined {
  const [, stage] = /^src\/loop\/([a-z]+)/.exec(path) ?? [];
  return stage !== undefined && STAGES.includes(stage) ? stage : undefined;
}

export const RULES: readonly Rule[] = [
  {
    says: 'the page does not import workers (places.ts names their URLs)',
    forbids: (from, to) =>
      from.startsWith('src/') && to.startsWith('workers/') && from !== 'src/places.ts',
  },
  {
    says: 'workers import only src/shared from src',
    forbids: (from, to) =>
      from.startsWith('workers/') && to.startsWith('src/') && !to.startsWith('src/shared/'),
  },
  {
    says: 'src/shared imports nothing outside itself',
    forbids: (from, to) => from.startsWith('src/shared/') && !to.startsWith('src/shared/'),
  },
  {
    says: 'the stages of the loop do not import each other; loop.ts composes them',
    forbids: (from, to) => {
      const [own, other] = [stageOf(from), stageOf(to)];
      return own !== undefined && other !== undefined && own !== other && !allowedPair(own, other);
    },
  },
  {
    says: 'the library does not import the app',
    forbids: (from, to) =>
      from.startsWith('src/') && !from.startsWith('src/app/') && to.startsWith('src/app/'),
  },
  {
    says: 'the proxy stands alone',
    forbids: (from, to) => from.startsWith('proxy/') && !to.startsWith('proxy/'),
  },
];

/** Feedback turns events into changes of the memory: it may know the memory's types. */
function allowedPair(own: string, other: string): boolean {
  return own === 'feedback' && other === 'memory';
}

function sources(folder: string): string[] {
  return readdirSync(join(ROOT, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
    .map((entry) => relative(ROOT, join(entry.parentPath, entry.name)).split(sep).join('/'));
}

function lineOf(text: string, offset: number): number {
  return text.slice(0, offset).split('\n').length;
}

function importsOf(file: string, text: string): string[] {
  return [...text.matchAll(IMPORT)].flatMap((match) => {
    const target = normalize(join(dirname(file), (match[1] ?? '').split('?')[0] ?? ''));
    const to = target.split(sep).join('/');
    return RULES.filter((rule) => rule.forbids(file, to)).map(
      (rule) => `${file}:${lineOf(text, match.index)}: imports ${to}, but ${rule.says}`,
    );
  });
}

function globalsOf(file: string, text: string): string[] {
  if (!file.startsWith('workers/') || file.endsWith('/worker.ts')) return [];
  return text.split('\n').flatMap((line, index) => {
    const code = line.replace(/\/\/.*$|^\s*\*.*$|^\s*\/\*.*$|'[^']*'|`[^`]*`/g, '');
    const found = THREAD_GLOBALS.exec(code);
    return found ? [`${file}:${index + 1}: the core uses ${found[0]}; take it from outside`] : [];
  });
}

/** Every violation in the tree. */
export function violations(): string[] {
  return ['src', 'workers', 'proxy'].flatMap(sources).flatMap((file) => {
    const text = readFileSync(join(ROOT, file), 'utf8');
    return [...importsOf(file, text), ...globalsOf(file, text)];
  });
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const found = violations();
  for (const line of found) console.error(line);
  process.exitCode = found.length > 0 ? 1 : 0;
}
