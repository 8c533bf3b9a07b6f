/** Manifests that announce another model than they bring: refused by what they say, before memory or network is spent on them. */
import { describe, expect, it } from 'vitest';
import type { KernelSource } from '../../../workers/embed/kernel-source.ts';
import { startEmbedder } from '../../../workers/embed/start-embedder.ts';
import { BASE, type ManifestJson } from './asset-server.ts';
import { madeUpServer, serverDeps, spoiltKernels } from './made-up-server.ts';
import { PLACES } from './node-model.ts';

type Tensors = { name: string; shape: number[]; type: string }[];

/** Starts the made-up model with its manifest changed; counts the kernels that were opened. */
async function start(change: (manifest: ManifestJson) => void) {
  const server = madeUpServer();
  const manifest = JSON.parse(new TextDecoder().decode(server.files['manifest.json']));
  change(manifest);
  server.files['manifest.json'] = new TextEncoder().encode(JSON.stringify(manifest));
  const { kernels } = spoiltKernels();
  let kernelsOpened = 0;
  const open: KernelSource['open'] = (...args) => {
    kernelsOpened += 1;
    return kernels.open(...args);
  };
  const deps = serverDeps(server, { kernels: { ...kernels, open } });
  const options = { signal: new AbortController().signal, onProgress: () => {} };
  const request = { assets: BASE, backend: 'wasm', ort: PLACES } as const;
  const outcome = await startEmbedder(request, deps, options).catch((error) => error);
  const asked = server.asked.map(({ path }) => path);
  return { outcome, kernelsOpened, asked };
}

const architecture = (changes: object) => (manifest: ManifestJson) => {
  Object.assign(manifest.architecture as object, changes);
};
const tensors = (manifest: ManifestJson) => manifest.tensors as Tensors;

describe('a manifest that announces', () => {
  it('what it brings is started', async () => {
    const { outcome, kernelsOpened } = await start(() => {});
    expect(outcome.info).toMatchObject({ backend: 'wasm' });
    expect(kernelsOpened).toBe(1);
    await outcome.close();
  });

  it.each<[string, RegExp, (manifest: ManifestJson) => void]>([
    [
      'more layers',
      /lack the tensor "encoder\.layer\.2\.[^"]+" and \d+ others/,
      architecture({ layers: 128 }),
    ],
    [
      'a larger vocabulary',
      /word_embeddings.*its shape is \[400,48\] where \[2000000,48\]/,
      architecture({ vocabulary: 2_000_000 }),
    ],
    [
      'wider layers',
      /intermediate\.dense\.weight.*where \[8192,48\]/,
      architecture({ intermediate: 8_192 }),
    ],
    [
      'more positions',
      /position_embeddings.*where \[65536,48\]/,
      architecture({ positions: 65_536 }),
    ],
    [
      'a tensor less',
      /lack the tensor "embeddings\.LayerNorm\.bias"/,
      (manifest) => {
        manifest.tensors = tensors(manifest).filter(
          ({ name }) => name !== 'embeddings.LayerNorm.bias',
        );
      },
    ],
  ])(
    '%s is refused before a kernel is opened and before a file is asked for',
    async (_, why, change) => {
      const { outcome, kernelsOpened, asked } = await start(change);
      expect(outcome).toMatchObject({ code: 'asset_corrupt' });
      expect(outcome.message).toMatch(why);
      expect(kernelsOpened).toBe(0);
      expect(asked).toEqual(['manifest.json']);
    },
  );
});
