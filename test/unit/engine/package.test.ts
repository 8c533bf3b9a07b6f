/** What the package promises before anything of it is built. */
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';

function text(name: string): string {
  return readFileSync(new URL(`../../../${name}`, import.meta.url), 'utf8');
}

interface Manifest {
  readonly exports: { readonly [path: string]: unknown };
  readonly dependencies: { readonly [name: string]: string };
  readonly devDependencies: { readonly [name: string]: string };
}

const manifest = JSON.parse(text('package.json')) as Manifest;

it('reserves the entry points of later releases: importing one fails at once', () => {
  for (const path of ['widget', 'widget/define', 'langchain', 'llamaindex', 'ai-sdk']) {
    expect(manifest.exports).toHaveProperty([`./${path}`]);
  }
  expect(manifest.exports).toHaveProperty(['./proxy', 'default']);
});

it('names exact versions, runs no scripts of others, and locks no download address', () => {
  const versions = Object.values({ ...manifest.dependencies, ...manifest.devDependencies });
  for (const version of versions) expect(version).toMatch(/^\d+\.\d+\.\d+$/);
  expect(text('.npmrc').split('\n')).toContain('ignore-scripts=true');
  const lock = text('package-lock.json');
  expect(lock).toContain('"integrity"');
  expect(lock).not.toMatch(/"resolved": "https?:/);
});
