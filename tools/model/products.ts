/**
 * Products of float32 matrices by 128-bit SIMD: calibration multiplies half a million million numbers,
 * which plain JavaScript takes many minutes for. Compiled when it is first needed; multiplications
 * and additions are rounded one by one (nothing relaxed), so that every machine gives the same bits.
 */
/**
 * c = a x b for `m x k` by `k x n`; element (i, j) of an operand lies at `i * row + j * column`
 * floats. `c` has its rows padded to a multiple of 8 floats and their number to a multiple of 4;
 * `panel` has room for 8 x k floats. Tiles of 4 x 8.
 */
const SOURCE = `
export function multiply(
  a: usize, aRow: i32, aColumn: i32, b: usize, bRow: i32, bColumn: i32,
  c: usize, m: i32, k: i32, n: i32, panel: usize,
): void {
  const stride = ((n + 7) & ~7) << 2;
  for (let j = 0; j < n; j += 8) {
    pack(b, bRow, bColumn, k, j, n, panel);
    for (let i = 0; i < m; i += 4) {
      const last = m - 1;
      tile(
        a + ((i * aRow) << 2), a + ((min(i + 1, last) * aRow) << 2),
        a + ((min(i + 2, last) * aRow) << 2), a + ((min(i + 3, last) * aRow) << 2),
        aColumn << 2, panel, k, c + i * stride + (j << 2), stride,
      );
    }
  }
}

function pack(b: usize, row: i32, column: i32, k: i32, j: i32, n: i32, panel: usize): void {
  for (let t = 0; t < 8; t++) {
    for (let i = 0; i < k; i++) {
      const value = j + t < n ? load<f32>(b + ((i * row + (j + t) * column) << 2)) : f32(0);
      store<f32>(panel + (i << 5) + (t << 2), value);
    }
  }
}

function tile(
  a0: usize, a1: usize, a2: usize, a3: usize, step: i32, panel: usize, k: i32, c: usize, stride: i32,
): void {
  let c00 = f32x4.splat(0), c01 = c00, c10 = c00, c11 = c00;
  let c20 = c00, c21 = c00, c30 = c00, c31 = c00;
  for (let i = 0, at: usize = 0; i < k; i++, at += step) {
    const b0 = v128.load(panel), b1 = v128.load(panel, 16);
    panel += 32;
    const x0 = v128.load32_splat(a0 + at), x1 = v128.load32_splat(a1 + at);
    const x2 = v128.load32_splat(a2 + at), x3 = v128.load32_splat(a3 + at);
    c00 = f32x4.add(c00, f32x4.mul(x0, b0));
    c01 = f32x4.add(c01, f32x4.mul(x0, b1));
    c10 = f32x4.add(c10, f32x4.mul(x1, b0));
    c11 = f32x4.add(c11, f32x4.mul(x1, b1));
    c20 = f32x4.add(c20, f32x4.mul(x2, b0));
    c21 = f32x4.add(c21, f32x4.mul(x2, b1));
    c30 = f32x4.add(c30, f32x4.mul(x3, b0));
    c31 = f32x4.add(c31, f32x4.mul(x3, b1));
  }
  v128.store(c, c00);
  v128.store(c, c01, 16);
  v128.store(c + stride, c10);
  v128.store(c + stride, c11, 16);
  v128.store(c + 2 * stride, c20);
  v128.store(c + 2 * stride, c21, 16);
  v128.store(c + 3 * stride, c30);
  v128.store(c + 3 * stride, c31, 16);
}
`;

const OPTIONS = ['--runtime', 'stub', '--enable', 'simd', '-O3', '--importMemory', '--noAssert'];
const ENTRY = 'products.ts';
const PAGE = 65_536;

/** An operand: its values and, in floats, how far apart its rows and its columns lie. */
interface Operand {
  readonly values: Float32Array;
  readonly row: number;
  readonly column: number;
}

export class Products {
  readonly #memory: WebAssembly.Memory;
  readonly #multiply: (...numbers: number[]) => void;

  private constructor(memory: WebAssembly.Memory, multiply: (...numbers: number[]) => void) {
    this.#memory = memory;
    this.#multiply = multiply;
  }

  static async open(): Promise<Products> {
    const memory = new WebAssembly.Memory({ initial: 1 });
    const { instance } = await WebAssembly.instantiate(await compile(), { env: { memory } });
    return new Products(memory, instance.exports.multiply as never);
  }

  /** `x w^T` for rows of `inner` values each: what a linear layer does. */
  timesTransposed(x: Float32Array, w: Float32Array, inner: number): Float32Array {
    return this.#product(
      { values: x, row: inner, column: 1 },
      { values: w, row: 1, column: inner },
      [x.length / inner, inner, w.length / inner],
    );
  }

  /** `a^T b`: the sum over rows of the products of each value of `a` with each of `b`. */
  crossed(a: Float32Array, b: Float32Array, rows: number): Float32Array {
    const [m, n] = [a.length / rows, b.length / rows];
    return this.#product(
      { values: transposed(a, m), row: rows, column: 1 },
      { values: b, row: n, column: 1 },
      [m, rows, n],
    );
  }

  #product(a: Operand, b: Operand, [m, k, n]: readonly [number, number, number]): Float32Array {
    const stride = Math.ceil(n / 8) * 8;
    const sizes = [a.values.length, b.values.length, Math.ceil(m / 4) * 4 * stride, 8 * k];
    const [atA, atB, atC, atPanel] = this.#places(sizes) as [number, number, number, number];
    const floats = new Float32Array(this.#memory.buffer);
    floats.set(a.values, atA / 4);
    floats.set(b.values, atB / 4);
    this.#multiply(atA, a.row, a.column, atB, b.row, b.column, atC, m, k, n, atPanel);
    const result = new Float32Array(m * n);
    for (let row = 0; row < m; row += 1) {
      const from = atC / 4 + row * stride;
      result.set(floats.subarray(from, from + n), row * n);
    }
    return result;
  }

  /** Byte offsets of areas of so many floats, each at a multiple of 64; the memory grows as needed. */
  #places(sizes: readonly number[]): number[] {
    let end = 0;
    const places = sizes.map((size) => {
      const at = end;
      end = Math.ceil((at + size * 4) / 64) * 64;
      return at;
    });
    const missing = end - this.#memory.buffer.byteLength;
    if (missing > 0) this.#memory.grow(Math.ceil(missing / PAGE));
    return places;
  }
}

/** Rows become columns: a tile reads far apart values much slower than neighbours. */
function transposed(values: Float32Array, columns: number): Float32Array {
  const rows = values.length / columns;
  const turned = new Float32Array(values.length);
  for (let row = 0; row < rows; row += 1) {
    for (let k = 0; k < columns; k += 1) {
      turned[k * rows + row] = values[row * columns + k] as number;
    }
  }
  return turned;
}

async function compile(): Promise<Uint8Array<ArrayBuffer>> {
  // The compiler takes a second to load, which packing without calibration need not wait for.
  const { default: asc } = await import('assemblyscript/asc');
  let binary: Uint8Array<ArrayBuffer> | null = null;
  const { error, stderr } = await asc.main([ENTRY, '--outFile', 'products.wasm', ...OPTIONS], {
    readFile: (name) => (name === ENTRY ? SOURCE : null),
    writeFile: (_, contents) => {
      if (typeof contents !== 'string') binary = new Uint8Array(contents);
    },
    listFiles: () => [],
  });
  if (error || !binary)
    throw new Error(`The products do not compile.\n${stderr}`, { cause: error });
  return binary;
}
