/** Answers against the golden files: pure. */

/** What one backend reached; `failures` says in words what fell short. */
export interface GoldenReport {
  readonly suite: 'golden';
  readonly backend: string;
  /** Equal sequences and all, or null where tokens.json is missing. */
  readonly tokens: readonly [equal: number, total: number] | null;
  readonly cos_mean: number | null;
  readonly cos_min: number | null;
  readonly failures: readonly string[];
}

export interface GoldenFiles {
  readonly tokens?: readonly { readonly text: string; readonly ids: readonly number[] }[];
  readonly vectors?: readonly { readonly text: string; readonly vector_f32_base64: string }[];
  readonly tavern?: { readonly inner_product: number };
}

export interface Bars {
  readonly mean: number;
  readonly cosine: number;
}

/** What must be reached by our own kernel, whichever way it multiplies. */
const OWN: Bars = { mean: 0.9995, cosine: 0.9985 };
/** What ONNX Runtime must reach with the same weights: how it computes is not ours to say. */
const OTHERS: Bars = { mean: 0.999, cosine: 0.997 };

export function barsOf(backend: string): Bars {
  return backend === 'wasm' ? OWN : OTHERS;
}

export const TAVERN_TOLERANCE = 0.004;
const SHOWN = 5;

/** @param answers In the order of the files. */
export function compareGolden(
  backend: string,
  files: GoldenFiles,
  answers: {
    readonly ids: readonly (readonly number[])[];
    readonly vectors: readonly (readonly number[])[];
    readonly tavern: readonly (readonly number[])[];
  },
): GoldenReport {
  const failures: string[] = [];
  const bars = barsOf(backend);
  const tokens = files.tokens ? compareTokens(files.tokens, answers.ids, failures) : null;
  const cosines = files.vectors
    ? compareVectors(files.vectors, answers.vectors, bars, failures)
    : [];
  if (files.tavern) compareTavern(files.tavern.inner_product, answers.tavern, failures);
  const mean = cosines.length > 0 ? cosines.reduce((a, b) => a + b, 0) / cosines.length : null;
  // A NaN compares with nothing, so the test is for what is right.
  if (mean !== null && !(mean >= bars.mean)) failures.push(`mean cosine ${mean} < ${bars.mean}`);
  return {
    suite: 'golden',
    backend,
    tokens,
    cos_mean: mean,
    cos_min: cosines.length > 0 ? Math.min(...cosines) : null,
    failures,
  };
}

function compareTokens(
  golden: NonNullable<GoldenFiles['tokens']>,
  ids: readonly (readonly number[])[],
  failures: string[],
): readonly [number, number] {
  const wrong = golden.filter((entry, index) => ids[index]?.join() !== entry.ids.join());
  for (const { text } of wrong.slice(0, SHOWN)) failures.push(`token ids differ: ${show(text)}`);
  if (wrong.length > SHOWN) failures.push(`... and ${wrong.length - SHOWN} more`);
  return [golden.length - wrong.length, golden.length];
}

function compareVectors(
  golden: NonNullable<GoldenFiles['vectors']>,
  vectors: readonly (readonly number[])[],
  bars: Bars,
  failures: string[],
): number[] {
  return golden.map(({ text, vector_f32_base64 }, index) => {
    const bytes = Uint8Array.from(Buffer.from(vector_f32_base64, 'base64'));
    const cosine = cosineOf(vectors[index] ?? [], new Float32Array(bytes.buffer));
    if (!(cosine >= bars.cosine)) failures.push(`cosine ${cosine.toFixed(5)}: ${show(text)}`);
    return cosine;
  });
}

function compareTavern(
  expected: number,
  [query = [], description = []]: readonly (readonly number[])[],
  failures: string[],
): void {
  const product = dot(query, description);
  if (!(Math.abs(product - expected) <= TAVERN_TOLERANCE)) {
    failures.push(`tavern pair ${product.toFixed(4)} instead of ${expected.toFixed(4)}`);
  }
}

function cosineOf(a: ArrayLike<number>, b: ArrayLike<number>): number {
  return dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b));
}

function dot(a: ArrayLike<number>, b: ArrayLike<number>): number {
  if (a.length !== b.length || a.length === 0) return Number.NaN;
  let sum = 0;
  for (let k = 0; k < a.length; k += 1) sum += (a[k] as number) * (b[k] as number);
  return sum;
}

function show(text: string): string {
  return JSON.stringify(text.length > 60 ? `${text.slice(0, 60)}...` : text);
}
