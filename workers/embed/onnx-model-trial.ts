/**
 * Whether an encoder without known answers can be trusted as far as that can be seen from outside:
 * differing texts have differing vectors, a text has one vector, alone and beside others. That vectors
 * are finite and of one dimension is looked at in every run.
 */
import { WhorlError } from '../../src/shared/errors.ts';
import { backendName } from './backend-error.ts';
import type { Encoder } from './encoder.ts';
import type { Tokenizer } from './tokenizer.ts';

/** Largest difference of two numbers of unit vectors that should be equal. */
const TOLERANCE = 1e-3;
const TEXTS = [
  'A lantern hangs over the door of a quiet inn beside the river, and supper is warm.',
  'Quarterly revenue fell by nine percent because the price of copper rose again.',
  'La bibliothèque ferme ses portes à minuit pendant les vacances.',
] as const;

/**
 * @throws WhorlError `backend_wrong` that says what differs; what the encoder throws.
 */
export async function tryEncoder(
  encoder: Encoder,
  tokenizer: Tokenizer,
  signal: AbortSignal,
): Promise<void> {
  const [first, second, third] = TEXTS.map((text) => tokenizer.encode(text)) as [
    Int32Array,
    Int32Array,
    Int32Array,
  ];
  const alone = await encoder.embed([first], { signal });
  expectEqual(encoder, 'a text embedded twice has two vectors', alone, [
    await encoder.embed([first], { signal }),
  ]);
  // One token less: near enough in length to share a batch, so that padding and mask take part.
  const shorter = first.length > 3 ? first.slice(0, -2) : first;
  const together = rowsOf(
    encoder,
    await encoder.embed([shorter, first, second, third], { signal }),
  );
  const [short, again, ...others] = together as [Float32Array, ...Float32Array[]];
  expectEqual(encoder, 'a text has another vector when it is embedded beside others', alone, [
    again as Float32Array,
  ]);
  expectEqual(encoder, 'a text has another vector when it is padded', short, [
    await encoder.embed([shorter], { signal }),
  ]);
  if (others.every((other) => furthest(alone, other) <= TOLERANCE)) {
    throw wrong(encoder, 'differing texts have the same vector');
  }
}

function rowsOf({ dimension }: Encoder, vectors: Float32Array): Float32Array[] {
  return Array.from({ length: vectors.length / dimension }, (_, row) =>
    vectors.subarray(row * dimension, (row + 1) * dimension),
  );
}

function expectEqual(
  encoder: Encoder,
  what: string,
  vector: Float32Array,
  others: readonly Float32Array[],
): void {
  const most = Math.max(...others.map((other) => furthest(vector, other)));
  if (most > TOLERANCE) throw wrong(encoder, `${what} (they differ by ${most.toFixed(4)})`);
}

function furthest(a: Float32Array, b: Float32Array): number {
  return a.reduce((most, value, k) => Math.max(most, Math.abs(value - (b[k] ?? 0))), 0);
}

function wrong({ backend }: Encoder, why: string): WhorlError {
  return new WhorlError(
    'backend_wrong',
    `The ${backendName(backend)} encoder cannot be trusted with this ONNX model and is not used: ${why}. Its vectors could not be compared with each other.`,
  );
}
