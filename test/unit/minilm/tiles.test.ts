import { describe, expect, test } from 'vitest';
import {
  familyText,
  floatFamily,
  relaxedFamily,
  stridedFamily,
  type TileFamily,
  tileFiles,
  wideFamily,
  wideningFamily,
} from '../../../tools/minilm/tiles.ts';
import { BUILDS, type Build, randomOf, Stages } from './linear-fixture.ts';

const FAMILIES: readonly TileFamily[] = [
  wideningFamily,
  wideFamily,
  relaxedFamily,
  floatFamily(false),
  floatFamily(true),
  stridedFamily(false),
  stridedFamily(true),
];

describe('the generator', () => {
  test('writes a tile of one row so', () => {
    expect(wideningFamily.body(1)).toEqual([
      'let s0_0 = i32x4.splat(0);',
      'let s0_1 = i32x4.splat(0);',
      'const end = panel + inner * 8;',
      'do {',
      '  const w0 = v128.load_ext<i8>(panel);',
      '  const w1 = v128.load_ext<i8>(panel, 8);',
      '  v128.store(wide, w0);',
      '  v128.store(wide, w1, 16);',
      '  wide += 32;',
      '  const x0 = v128.load_splat<i32>(a, 0);',
      '  s0_0 = i32x4.add(s0_0, i32x4.dot_i16x8_s(x0, w0));',
      '  s0_1 = i32x4.add(s0_1, i32x4.dot_i16x8_s(x0, w1));',
      '  panel += 16;',
      '  a += 4;',
      '} while (panel < end);',
      'v128.store(out, s0_0, 0);',
      'v128.store(out, s0_1, 16);',
    ]);
  });

  test('puts both halves of an activation together again', () => {
    expect(relaxedFamily.body(1)).toContain(
      'v128.store(out, i32x4.add(i32x4.shl(high0_1, 7), low0_1), 16);',
    );
  });

  test('moves from row to row where rows lie apart', () => {
    expect(stridedFamily(false).body(3)).toEqual(
      expect.arrayContaining([
        'let a1 = a + 1 * aStride;',
        'let a2 = a + 2 * aStride;',
        '  a2 += 4;',
      ]),
    );
  });

  test.each(FAMILIES)('$name: every number of rows, and a function that picks one', (family) => {
    const text = familyText(family);
    for (let rows = 1; rows <= family.rows; rows++) {
      expect(text).toContain(`function ${family.name}${rows}(`);
      expect(text).toContain(`case ${rows}: ${family.name}${rows}(`);
    }
    expect(text).not.toContain(`${family.name}${family.rows + 1}(`);
    expect(text).toContain(`export const ${family.name}Rows: i32 = ${family.rows};`);
  });

  test.each(FAMILIES)(
    '$name: sums, weights and one operand fit the registers that V8 has',
    (family) => {
      const body = family.body(family.rows);
      const loop = body.slice(body.indexOf('do {'));
      const sums = body.filter((line) => /^let (s|high|low)\d/.test(line)).length;
      // Products that are not fused need one more.
      const product = loop.some((line) => /add\(.*(mul|dot_i16x8_s)\(/.test(line)) ? 1 : 0;
      expect(sums + 2 + 1 + product).toBeLessThanOrEqual(15);
      expect(loop.filter((line) => /const w\d/.test(line))).toHaveLength(2);
    },
  );

  test('keeps relaxed instructions out of the file of the plain build', () => {
    const files = tileFiles();
    expect(files.get('plain-tiles.ts')).not.toContain('relaxed_');
    expect(files.get('relaxed-tiles.ts')).toContain('i32x4.relaxed_dot_i8x16_i7x16_add_s');
  });
});

describe.each(BUILDS)('floatTile, %s', (build: Build) => {
  test('is a product of matrices at every number of rows and depth', () => {
    const stages = new Stages(build);
    const random = randomOf(31);
    const most = build === 'plain' ? 5 : 6;
    for (let rows = 1; rows <= most; rows++)
      for (const inner of [1, 2, 3, 7, 20, 26, 32, 64, 101]) {
        const free = stages.mark();
        const stride = inner + 3;
        const a = Float32Array.from({ length: rows * stride }, () => random() * 2 - 1);
        const panel = Float32Array.from({ length: inner * 8 }, () => random() * 2 - 1);
        const out = stages.putFloats(new Float32Array(rows * 11).fill(9));
        stages.call.floatTile(
          rows,
          stages.putFloats(a),
          stride * 4,
          stages.putFloats(panel),
          inner,
          out,
          44,
        );
        const result = stages.floats(out, rows * 11);
        for (let row = 0; row < rows; row++) {
          for (let column = 0; column < 8; column++) {
            let sum = 0;
            let size = 0;
            for (let k = 0; k < inner; k++) {
              const product = a[row * stride + k]! * panel[k * 8 + column]!;
              sum += product;
              size += Math.abs(product);
            }
            const off = Math.abs(result[row * 11 + column]! - sum);
            expect(off, `${rows} x ${inner}`).toBeLessThanOrEqual((inner + 1) * 2 ** -24 * size);
          }
          expect([...result.slice(row * 11 + 8, row * 11 + 11)]).toEqual([9, 9, 9]);
        }
        free();
      }
  });
});
