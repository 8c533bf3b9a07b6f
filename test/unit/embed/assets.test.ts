import { describe, expect, it } from 'vitest';
import { type AssetsSpec, resolveAssets } from '../../../src/shared/assets.ts';

const PAGE = 'https://app.test/loop/index.html';
const COMMIT = '0123456789abcdef0123456789abcdef01234567';

describe('resolveAssets', () => {
  it('takes an address, relative or not, with or without its slash', () => {
    expect(resolveAssets('models/mini', PAGE)).toBe('https://app.test/loop/models/mini/');
    expect(resolveAssets('./models/mini/', PAGE)).toBe('https://app.test/loop/models/mini/');
    expect(resolveAssets('https://cdn.test/m', PAGE)).toBe('https://cdn.test/m/');
    expect(resolveAssets(new URL('https://cdn.test/m/'), PAGE)).toBe('https://cdn.test/m/');
  });

  it('takes a pinned repository', () => {
    const spec = { huggingFace: 'owner/name', revision: COMMIT };
    expect(resolveAssets(spec, PAGE)).toBe(`https://huggingface.co/owner/name/resolve/${COMMIT}/`);
    expect(resolveAssets({ ...spec, path: 'whorl/v1/', revision: 'v1.0' }, PAGE)).toBe(
      'https://huggingface.co/owner/name/resolve/v1.0/whorl/v1/',
    );
    expect(resolveAssets({ ...spec, endpoint: 'http://localhost:8080/hub' }, PAGE)).toBe(
      `http://localhost:8080/hub/owner/name/resolve/${COMMIT}/`,
    );
  });

  const refused: readonly (readonly [string, unknown])[] = [
    ['no revision', { huggingFace: 'a/b' }],
    ['main', { huggingFace: 'a/b', revision: 'main' }],
    ['Main', { huggingFace: 'a/b', revision: 'Main' }],
    ['a branch reference', { huggingFace: 'a/b', revision: 'refs/heads/x' }],
    ['a revision upwards', { huggingFace: 'a/b', revision: '..' }],
    ['no owner', { huggingFace: 'b', revision: COMMIT }],
    ['three names', { huggingFace: 'a/b/c', revision: COMMIT }],
    ['a path upwards', { huggingFace: 'a/b', revision: COMMIT, path: '../c' }],
    ['an unknown option', { huggingFace: 'a/b', revision: COMMIT, branch: 'x' }],
    ['a query', 'https://cdn.test/m?x=1'],
    ['a data address', 'data:text/plain,x'],
    ['nothing', null],
  ];
  it.each(refused)('refuses %s', (_, spec) => {
    expect(() => resolveAssets(spec as AssetsSpec, PAGE)).toThrowError(
      expect.objectContaining({ code: 'invalid_option' }),
    );
  });
});
