import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { BENCHMARKS, main, peersToInstall } from '../../../tools/bench.ts';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));

function readJson(path: string) {
  return JSON.parse(readFileSync(ROOT + path, 'utf8'));
}

function bench(...args: string[]) {
  const all = ['--import', 'tsx', 'tools/bench.ts', ...args];
  return spawnSync(process.execPath, all, { cwd: ROOT, encoding: 'utf8' });
}

describe('tools/bench.ts', () => {
  it('says which benchmarks there are', () => {
    const { status, stdout } = bench();
    expect(status).toBe(0);
    for (const name of BENCHMARKS.keys()) expect(stdout).toMatch(new RegExp(`^ {2}${name} `, 'm'));
  });

  it('refuses an unknown name and says which there are', () => {
    const { status, stdout, stderr } = bench('toString');
    expect([status, stdout]).toEqual([1, '']);
    expect(stderr).toContain('There is no benchmark "toString"');
    expect(stderr).toContain('groundedness');
  });

  it('passes arguments and the exit code on', () => {
    const file = 'test/unit/bench/exits-with.ts';
    const fake = new Map([['fake', { file, says: '', peers: false, missing: null }]]);
    expect(main(['fake', '30', '12'], fake)).toBe(42);
    expect(main(['fake'], fake)).toBe(0);
  });

  it('has a file and a script for each', () => {
    const { scripts } = readJson('package.json');
    for (const [name, { file }] of BENCHMARKS) {
      expect(existsSync(ROOT + file), file).toBe(true);
      expect(scripts[`bench:${name}`]).toMatch(new RegExp(`tsx tools/bench\\.ts ${name}$`));
    }
  });
});

describe('peers', () => {
  it('are installed when absent or of another version', () => {
    const manifest = { dependencies: { a: '1.0.0', b: '2.0.0', c: '3.0.0' } };
    const installed: Record<string, string> = { a: '1.0.0', b: '2.0.1' };
    expect(peersToInstall(manifest, (name) => installed[name] ?? null)).toEqual([
      'b@2.0.0',
      'c@3.0.0',
    ]);
  });

  it('have exact versions, and a complete lockfile without download addresses', () => {
    const { dependencies } = readJson('bench/package.json');
    const { packages } = readJson('bench/package-lock.json');
    expect(packages[''].dependencies).toEqual(dependencies);
    for (const [name, version] of Object.entries(dependencies)) {
      expect(version).toMatch(/^\d+\.\d+\.\d+$/);
      expect(packages[`node_modules/${name}`].version).toBe(version);
    }
    for (const [path, entry] of Object.entries<Record<string, unknown>>(packages)) {
      expect(entry, path).not.toHaveProperty('resolved');
      if (path !== '') expect(entry.integrity, path).toMatch(/^sha512-/);
    }
  });
});
