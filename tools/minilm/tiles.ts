/**
 * Writes the inner loops of the encoder as AssemblyScript: one function for every number of rows, all
 * accumulators in registers. AssemblyScript has no arrays of registers, and a loop over rows would keep
 * the accumulators in memory; so the rows are written out by this program and not by hand.
 *
 * A tile is `rows` rows by 8 columns (two registers of four lanes a row). Eight columns are a panel.
 * The loop over k is never unrolled: V8 spills registers and loses up to half its speed when it is.
 *
 * Register budget: x86 has 16 vector registers and V8 keeps one for itself.
 *
 * | tile | accumulators | weights | activation, product | in use |
 * |---|---|---|---|---|
 * | wide and widening, 5 rows | 10 | 2 | 2 | 14 |
 * | relaxed, 3 rows in two halves | 12 | 2 | 1 | 15 |
 * | float, 5 rows, mul and add | 10 | 2 | 2 | 14 |
 * | float, 6 rows, madd | 12 | 2 | 1 | 15 |
 */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';

/** A family of tiles that differ in the number of rows only. */
export interface TileFamily {
  /** Name of the dispatching function, `name<rows>` is one tile. */
  readonly name: string;
  /** The largest number of rows. */
  readonly rows: number;
  /** What the dispatching function does, for the reader of the generated file. */
  readonly says: string;
  /** Parameters of each tile, in order. */
  readonly parameters: readonly string[];
  /** Statements of the tile of that many rows. */
  body(rows: number): string[];
}

/** The two registers of a row. */
const HALVES = [0, 1] as const;

const up = (count: number): number[] => Array.from({ length: count }, (_, index) => index);

const declare = (names: readonly string[], value: (index: number) => string): string[] =>
  names.map((name, index) => `let ${name} = ${value(index)};`);

const accumulators = (rows: number, letter = 's'): string[] =>
  up(rows).flatMap((row) => HALVES.map((half) => `${letter}${row}_${half}`));

const indent = (lines: readonly string[]): string[] => lines.map((line) => `  ${line}`);

/** A loop over the panel; `step` bytes of it and `stride` of the activations are used in each turn. */
function overPanel(step: number, stride: number, turn: readonly string[]): string[] {
  return [
    'do {',
    ...indent(turn),
    `  panel += ${step};`,
    `  a += ${stride};`,
    '} while (panel < end);',
  ];
}

/** Loads of the weights of one turn: int8 that are widened and kept for the next tile, or what was kept. */
const KEEP_WIDE = [
  'const w0 = v128.load_ext<i8>(panel);',
  'const w1 = v128.load_ext<i8>(panel, 8);',
  'v128.store(wide, w0);',
  'v128.store(wide, w1, 16);',
  'wide += 32;',
];
const LOAD_WIDE = ['const w0 = v128.load(panel);', 'const w1 = v128.load(panel, 16);'];

/** int32 sums of int16 activations and weights, k in pairs; exact as long as int32 does not overflow. */
function pairBody(rows: number, weights: readonly string[], panelStep: number): string[] {
  const sums = accumulators(rows);
  const turn = [
    ...weights,
    ...up(rows).flatMap((row) => [
      `const x${row} = v128.load_splat<i32>(a, ${row * 4});`,
      ...HALVES.map((half) => {
        const sum = `s${row}_${half}`;
        return `${sum} = i32x4.add(${sum}, i32x4.dot_i16x8_s(x${row}, w${half}));`;
      }),
    ]),
  ];
  return [
    ...declare(sums, () => 'i32x4.splat(0)'),
    `const end = panel + inner * ${panelStep / 2};`,
    ...overPanel(panelStep, rows * 4, turn),
    ...sums.map((sum, index) => `v128.store(out, ${sum}, ${index * 16});`),
  ];
}

/** For the first tile of a block: widening costs an instruction a load, which the other tiles are spared. */
export const wideningFamily: TileFamily = {
  name: 'wideningTile',
  rows: 5,
  says: 'out[rows][8] int32 = a[inner / 2][rows][2] int16 x panel[inner / 2][8][2] int8; wide[inner / 2][8][2] int16 = panel',
  parameters: ['a: usize', 'panel: usize', 'inner: usize', 'out: usize', 'wide: usize'],
  body: (rows) => pairBody(rows, KEEP_WIDE, 16),
};

export const wideFamily: TileFamily = {
  name: 'wideTile',
  rows: 5,
  says: 'out[rows][8] int32 = a[inner / 2][rows][2] int16 x panel[inner / 2][8][2] int16',
  parameters: ['a: usize', 'panel: usize', 'inner: usize', 'out: usize'],
  body: (rows) => pairBody(rows, LOAD_WIDE, 32),
};

/**
 * The same sums plus 8192 times the sum of the weights, from unsigned activations in two halves of 7
 * bits. Both halves are accumulated side by side, so that every load of weights serves both.
 */
export const relaxedFamily: TileFamily = {
  name: 'relaxedTile',
  rows: 3,
  says: 'out[rows][8] int32 = a[inner / 4][rows][high, low][4] 7 bits x panel[inner / 4][8][4] int8',
  parameters: wideFamily.parameters,
  body(rows) {
    const dot = (sum: string, half: number, x: string): string =>
      `${sum} = i32x4.relaxed_dot_i8x16_i7x16_add_s(w${half}, ${x}, ${sum});`;
    const turn = [
      'const w0 = v128.load(panel);',
      'const w1 = v128.load(panel, 16);',
      ...up(rows).flatMap((row) => [
        `const h${row} = v128.load_splat<i32>(a, ${row * 8});`,
        ...HALVES.map((half) => dot(`high${row}_${half}`, half, `h${row}`)),
        `const l${row} = v128.load_splat<i32>(a, ${row * 8 + 4});`,
        ...HALVES.map((half) => dot(`low${row}_${half}`, half, `l${row}`)),
      ]),
    ];
    const [high, low] = [accumulators(rows, 'high'), accumulators(rows, 'low')];
    return [
      ...declare([...high, ...low], () => 'i32x4.splat(0)'),
      'const end = panel + (inner << 3);',
      ...overPanel(32, rows * 8, turn),
      ...high.map(
        (sum, index) =>
          `v128.store(out, i32x4.add(i32x4.shl(${sum}, 7), ${low[index]}), ${index * 16});`,
      ),
    ];
  },
};

/** One multiplication and addition; fused in the relaxed build. */
const multiplyAdd = (sum: string, x: string, w: string, fused: boolean): string =>
  fused
    ? `${sum} = f32x4.relaxed_madd(${x}, ${w}, ${sum});`
    : `${sum} = f32x4.add(${sum}, f32x4.mul(${x}, ${w}));`;

/** float32 sums on top of what `out` holds, so that k can be taken in blocks. */
export function floatFamily(fused: boolean): TileFamily {
  return {
    name: fused ? 'fusedTile' : 'floatTile',
    rows: fused ? 6 : 5,
    says: 'out[rows][8] float32 += a[inner][rows] x panel[inner][8]',
    parameters: wideFamily.parameters,
    body(rows) {
      const sums = accumulators(rows);
      const turn = [
        'const w0 = v128.load(panel);',
        'const w1 = v128.load(panel, 16);',
        ...up(rows).flatMap((row) => [
          `const x${row} = v128.load_splat<f32>(a, ${row * 4});`,
          ...HALVES.map((half) => multiplyAdd(`s${row}_${half}`, `x${row}`, `w${half}`, fused)),
        ]),
      ];
      return [
        ...declare(sums, (index) => `v128.load(out, ${index * 16})`),
        'const end = panel + (inner << 5);',
        ...overPanel(32, rows * 4, turn),
        ...sums.map((sum, index) => `v128.store(out, ${sum}, ${index * 16});`),
      ];
    },
  };
}

/** The same for rows that lie apart, as attention has them. */
export function stridedFamily(fused: boolean): TileFamily {
  return {
    name: fused ? 'fusedStrided' : 'floatStrided',
    rows: fused ? 6 : 5,
    says: 'out[rows][8] float32 = a[rows][inner] x panel[inner][8]; rows lie `aStride` and `outStride` bytes apart',
    parameters: [
      'a: usize',
      'aStride: usize',
      'panel: usize',
      'inner: usize',
      'out: usize',
      'outStride: usize',
    ],
    body(rows) {
      const sums = accumulators(rows);
      const others = up(rows).slice(1);
      const turn = [
        'const w0 = v128.load(panel);',
        'const w1 = v128.load(panel, 16);',
        ...up(rows).flatMap((row) => [
          `const x${row} = v128.load_splat<f32>(a${row || ''});`,
          ...HALVES.map((half) => multiplyAdd(`s${row}_${half}`, `x${row}`, `w${half}`, fused)),
        ]),
        ...others.map((row) => `a${row} += 4;`),
      ];
      return [
        ...declare(
          others.map((row) => `a${row}`),
          (index) => `a + ${index + 1} * aStride`,
        ),
        ...declare(sums, () => 'f32x4.splat(0)'),
        'const end = panel + (inner << 5);',
        ...overPanel(32, 4, turn),
        ...up(rows).flatMap((row) => [
          ...(row ? ['out += outStride;'] : []),
          ...HALVES.map((half) => `v128.store(out, s${row}_${half}, ${half * 16});`),
        ]),
      ];
    },
  };
}

function tileText(family: TileFamily, rows: number): string {
  return [
    `function ${family.name}${rows}(${family.parameters.join(', ')}): void {`,
    ...indent(family.body(rows)),
    '}',
    '',
  ].join('\n');
}

function dispatchText(family: TileFamily): string {
  const names = family.parameters.map((parameter) => parameter.split(':')[0]).join(', ');
  return [
    `/** ${family.says}; at most ${family.rows} rows. */`,
    `export function ${family.name}(rows: i32, ${family.parameters.join(', ')}): void {`,
    '  switch (rows) {',
    ...up(family.rows).map(
      (row) => `    case ${row + 1}: ${family.name}${row + 1}(${names}); break;`,
    ),
    '  }',
    '}',
    '',
  ].join('\n');
}

/** Source of a family: the most rows that it takes, its tiles, and the function that picks one. */
export function familyText(family: TileFamily): string {
  return [
    `export const ${family.name}Rows: i32 = ${family.rows};\n`,
    ...up(family.rows).map((row) => tileText(family, row + 1)),
    dispatchText(family),
  ].join('\n');
}

/** What is generated: file name to text. */
export function tileFiles(): ReadonlyMap<string, string> {
  const head = '// Generated by tools/minilm/tiles.ts.\n\n';
  const text = (...families: TileFamily[]): string => head + families.map(familyText).join('\n');
  return new Map([
    ['plain-tiles.ts', text(wideningFamily, wideFamily, floatFamily(false), stridedFamily(false))],
    ['relaxed-tiles.ts', text(relaxedFamily, floatFamily(true), stridedFamily(true))],
  ]);
}

/** Writes the files into a folder; what has not changed is left alone. */
export async function writeTiles(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true });
  for (const [name, text] of tileFiles()) {
    const target = path.join(folder, name);
    const before = await readFile(target, 'utf8').catch(() => undefined);
    if (before !== text) await writeFile(target, text);
  }
}
