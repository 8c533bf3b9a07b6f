/**
 * `npm run build:wasm`: compiles the AssemblyScript kernels of `wasm/` and writes them as TypeScript
 * modules with the bytes in base64, so that a worker carries its kernel and asks for no further file
 * (a library cannot know its consumer's paths). A module whose sources, compiler and options are
 * unchanged is not compiled again.
 */
import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import asc from 'assemblyscript/asc';
import { writeTiles } from './minilm/tiles.ts';

interface Kernel {
  /** File in the module's folder that exports what the kernel offers, without ending. */
  readonly entry: string;
  /** Compiled with relaxed instructions, which answer differently from machine to machine. */
  readonly relaxed: boolean;
}

interface KernelModule {
  /** Module under `wasm/build/`, without ending. */
  readonly name: string;
  /** Folder under `wasm/` with the sources. */
  readonly folder: string;
  /** Name of the exported constant. */
  readonly constant: string;
  /** Not inlined where that makes code longer: a fifth less of the encoder, which is as fast. */
  readonly shrink?: true;
  /**
   * One kernel: the constant is its bytes, `<constant>Bytes` their number. Several, by name: the constant
   * is one gzip stream of all of them, because base64 hides from the script's own compression what they
   * have in common; `<constant>Parts` says from which byte to which each of them lies in it.
   */
  readonly kernels: Kernel | Readonly<Record<string, Kernel>>;
}

/** The encoder is built with and without relaxed SIMD; its stages are for the unit tests only. */
const MODULES: readonly KernelModule[] = [
  {
    name: 'index-kernel',
    folder: 'index',
    constant: 'indexKernel',
    kernels: { entry: 'index', relaxed: false },
  },
  {
    name: 'vocabulary-index',
    folder: 'vocabulary',
    constant: 'vocabularyIndex',
    kernels: { entry: 'index', relaxed: false },
  },
  {
    name: 'minilm-kernels',
    folder: 'minilm',
    constant: 'minilmKernels',
    shrink: true,
    kernels: {
      simd128: { entry: 'index', relaxed: false },
      relaxed: { entry: 'index', relaxed: true },
      probe: { entry: 'probe', relaxed: true },
    },
  },
  {
    name: 'minilm-stages',
    folder: 'minilm',
    constant: 'minilmStages',
    shrink: true,
    kernels: { entry: 'stages', relaxed: false },
  },
  {
    name: 'minilm-stages-relaxed',
    folder: 'minilm',
    constant: 'minilmStagesRelaxed',
    shrink: true,
    kernels: { entry: 'stages', relaxed: true },
  },
];

const OPTIONS = ['--runtime', 'stub', '--optimizeLevel', '3', '--noAssert', '--enable', 'simd'];

const optionsOf = ({ shrink }: KernelModule, { relaxed }: Kernel): string[] => [
  ...OPTIONS,
  ...(shrink ? ['--shrinkLevel', '1'] : []),
  ...(relaxed ? ['--enable', 'relaxed-simd'] : []),
];

const isOne = (kernels: KernelModule['kernels']): kernels is Kernel =>
  typeof kernels.entry === 'string';

const ROOT = path.join(path.dirname(fileURLToPath(import.meta.url)), '..');
const WASM = path.join(ROOT, 'wasm');
const BUILD = path.join(WASM, 'build');

async function hashOf(module: KernelModule): Promise<string> {
  const hash = createHash('sha256').update(JSON.stringify([asc.version, OPTIONS, module]));
  const folder = path.join(WASM, module.folder);
  const names = await readdir(folder, { recursive: true });
  const files = names.filter((name) => name.endsWith('.ts')).sort();
  for (const file of files)
    hash.update(`\0${file}\0`).update(await readFile(path.join(folder, file)));
  return hash.update(await readFile(fileURLToPath(import.meta.url))).digest('hex');
}

async function compile(module: KernelModule, kernel: Kernel): Promise<Uint8Array> {
  const written = new Map<string, Uint8Array>();
  const entry = `wasm/${module.folder}/${kernel.entry}.ts`;
  const { error, stderr } = await asc.main(
    [entry, '--outFile', 'kernel.wasm', ...optionsOf(module, kernel)],
    {
      readFile: (name, base) => readFile(path.resolve(base, name), 'utf8').catch(() => null),
      writeFile: (name, contents) => {
        written.set(name, typeof contents === 'string' ? Buffer.from(contents) : contents);
      },
      listFiles: () => [],
    },
  );
  const bytes = written.get('kernel.wasm');
  if (error || !bytes) throw new Error(`${entry} does not compile.\n${stderr}`, { cause: error });
  console.log(
    `${entry}${kernel.relaxed ? ', relaxed' : ''}: ${bytes.length} bytes, ${gzip(bytes).length} gzip`,
  );
  return bytes;
}

/** The same on every system: neither a time nor the name of the system is in it. */
function gzip(bytes: Uint8Array): Buffer {
  const packed = gzipSync(bytes, { level: 9 });
  packed[9] = 255;
  return packed;
}

const base64Of = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64');

async function oneKernel(module: KernelModule, kernel: Kernel): Promise<string[]> {
  const { constant } = module;
  const bytes = await compile(module, kernel);
  return [
    `export const ${constant} =\n  '${base64Of(bytes)}';`,
    `export const ${constant}Bytes = ${bytes.length};`,
  ];
}

async function packedKernels(
  module: KernelModule,
  kernels: Readonly<Record<string, Kernel>>,
): Promise<string[]> {
  const { folder, constant } = module;
  const all: Uint8Array[] = [];
  const parts: string[] = [];
  let from = 0;
  for (const [name, kernel] of Object.entries(kernels)) {
    const bytes = await compile(module, kernel);
    all.push(bytes);
    parts.push(`  ${name}: [${from}, ${from + bytes.length}],`);
    from += bytes.length;
  }
  const packed = gzip(Buffer.concat(all));
  console.log(`${folder}: ${from} bytes in one stream, ${packed.length} gzip`);
  return [
    `export const ${constant} =\n  '${base64Of(packed)}';`,
    `export const ${constant}Parts = {\n${parts.join('\n')}\n} as const;`,
  ];
}

async function build(module: KernelModule): Promise<void> {
  const target = path.join(BUILD, `${module.name}.ts`);
  const hash = await hashOf(module);
  const before = await readFile(target, 'utf8').catch(() => '');
  if (before.split('\n', 1)[0]?.endsWith(hash)) {
    console.log(`${module.name}: unchanged`);
    return;
  }
  const { kernels } = module;
  const lines = isOne(kernels)
    ? await oneKernel(module, kernels)
    : await packedKernels(module, kernels);
  const head = `// Generated by tools/build-wasm.ts from wasm/${module.folder}. ${hash}`;
  await mkdir(BUILD, { recursive: true });
  await writeFile(target, [head, ...lines, ''].join('\n'));
}

process.chdir(ROOT);
await writeTiles(path.join(WASM, 'minilm', 'generated'));
for (const module of MODULES) await build(module);
