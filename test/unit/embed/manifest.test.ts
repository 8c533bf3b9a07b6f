import { describe, expect, it } from 'vitest';
import { fileOf, graphOf, parseManifest } from '../../../workers/embed/manifest.ts';
import { type ManifestJson, manifestJson } from './asset-server.ts';

const encode = (value: unknown): Uint8Array => new TextEncoder().encode(JSON.stringify(value));

function spoilt(change: (manifest: ManifestJson) => void): () => unknown {
  const manifest = manifestJson();
  change(manifest);
  return () => parseManifest(encode(manifest));
}

const file = (manifest: ManifestJson, index = 0): Record<string, unknown> =>
  manifest.files[index] as Record<string, unknown>;

describe('parseManifest', () => {
  it('reads what packing writes', () => {
    const manifest = parseManifest(encode(manifestJson()));
    expect(fileOf(manifest, 'weights').pieces).toHaveLength(3);
    expect(manifest.knownAnswers[0]?.vector).toEqual(new Float32Array([1, 0, 0, 0]));
  });

  const hostile: readonly (readonly [string, RegExp, (manifest: ManifestJson) => void])[] = [
    ['a path upwards', /files\[0\]\.path/, (m) => Object.assign(file(m), { path: '../secret' })],
    ['a path inside out', /files\[0\]\.path/, (m) => Object.assign(file(m), { path: 'a/../../b' })],
    [
      'an absolute path',
      /files\[0\]\.path/,
      (m) => Object.assign(file(m), { path: '/etc/passwd' }),
    ],
    [
      'an address',
      /files\[0\]\.path/,
      (m) => Object.assign(file(m), { path: 'https://evil.test/x' }),
    ],
    ['an encoded path', /files\[0\]\.path/, (m) => Object.assign(file(m), { path: '%2e%2e/x' })],
    ['a query', /files\[0\]\.path/, (m) => Object.assign(file(m), { path: 'x?y=1' })],
    ['a backslash', /files\[0\]\.path/, (m) => Object.assign(file(m), { path: '..\\x' })],
    ['a huge file', /files\[0\]\.bytes/, (m) => Object.assign(file(m), { bytes: 2 ** 40 })],
    ['a negative size', /files\[0\]\.bytes/, (m) => Object.assign(file(m), { bytes: -1 })],
    [
      'a size that is no number',
      /files\[0\]\.bytes/,
      (m) => Object.assign(file(m), { bytes: '9' }),
    ],
    ['too few pieces', /pieces has 0/, (m) => Object.assign(file(m), { pieces: [] })],
    ['a digest that is none', /SHA-256/, (m) => Object.assign(file(m), { sha256: 'abc' })],
    ['an unknown role', /role/, (m) => Object.assign(file(m), { role: 'script' })],
    [
      'two files of a role',
      /2 of role "tokenizer"/,
      (m) => m.files.push({ ...file(m), path: 'b' }),
    ],
    ['the same path twice', /twice/, (m) => m.files.push({ ...file(m), role: 'notice' })],
    [
      'a tensor past the end',
      /past|over the end/,
      (m) => {
        const [tensor] = m.tensors as { offset: number }[];
        Object.assign(tensor as object, { offset: 400_000_000 });
      },
    ],
    [
      'a crooked offset',
      /multiple of 4/,
      (m) => {
        const [tensor] = m.tensors as { offset: number }[];
        Object.assign(tensor as object, { offset: 65 });
      },
    ],
    [
      'a tensor of another size',
      /what its shape takes/,
      (m) => {
        const [tensor] = m.tensors as { shape: number[] }[];
        Object.assign(tensor as object, { shape: [3, 4] });
      },
    ],
    [
      'an unknown external tensor',
      /unknown tensor/,
      (m) => {
        const [reference] = m.external as { tensor: string }[];
        Object.assign(reference as object, { tensor: 'x' });
      },
    ],
    ['too few answers', /fewer than eight/, (m) => (m.knownAnswers as unknown[]).pop()],
    [
      'answers that are not base64',
      /base64/,
      (m) => {
        const [answer] = m.knownAnswers as { vector: string }[];
        Object.assign(answer as object, { vector: '!!' });
      },
    ],
    ['a foreign fingerprint', /fingerprint/, (m) => Object.assign(m, { fingerprint: 'other' })],
    [
      'more tokens than positions',
      /exceeds positions|fingerprint/,
      (m) => Object.assign(m, { maxTokens: 17 }),
    ],
  ];
  it.each(hostile)('refuses %s', (_, message, change) => {
    expect(spoilt(change)).toThrowError(expect.objectContaining({ code: 'asset_corrupt' }));
    expect(spoilt(change)).toThrowError(message);
  });

  const withoutGraph = (m: ManifestJson): void => {
    m.files = m.files.filter(({ role }) => role !== 'graph');
  };

  it('reads a model without a graph, which ONNX Runtime cannot run', () => {
    const whole = parseManifest(encode(manifestJson()));
    expect(graphOf(whole).path).toBe('model.onnx');
    const manifest = manifestJson();
    withoutGraph(manifest);
    delete manifest.external;
    delete manifest.externalName;
    const parsed = parseManifest(encode(manifest));
    expect(parsed).toMatchObject({ external: [], externalName: '' });
    expect(() => graphOf(parsed)).toThrowError(
      expect.objectContaining({ code: 'unsupported', message: expect.stringContaining('"wasm"') }),
    );
  });

  it.each([
    ['external weights without a graph', /without a graph/, withoutGraph],
    ['a graph without external weights', /external/, (m: ManifestJson) => delete m.external],
    [
      'two graphs',
      /2 of role "graph"/,
      (m: ManifestJson) => m.files.push({ ...file(m, 1), path: 'b.onnx' }),
    ],
  ])('refuses %s', (_, message, change) => {
    expect(spoilt(change)).toThrowError(message);
  });

  it('refuses what is not JSON, and what is of another kind', () => {
    for (const bytes of [
      new Uint8Array([255]),
      encode(null),
      encode([]),
      encode({ format: 'x' }),
    ]) {
      expect(() => parseManifest(bytes)).toThrowError(
        expect.objectContaining({ code: 'asset_corrupt' }),
      );
    }
  });

  it('says that a newer version is newer', () => {
    expect(spoilt((m) => Object.assign(m, { version: 2 }))).toThrowError(
      expect.objectContaining({ code: 'unsupported' }),
    );
  });
});
