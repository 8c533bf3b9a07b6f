/** Options and shape of a kernel, checked: unknown options are refused by name, numbers have bounds. */
import { WhorlError } from '../../../src/shared/errors.ts';
import type { Precision } from '../../../src/shared/types.ts';
import type { Architecture } from '../manifest.ts';
import type { KernelVariant } from './instance.ts';

export interface KernelOptions {
  readonly precision: Precision;
  readonly variant: KernelVariant;
  /** Tokens of the longest sequence, 1 to the model's positions. */
  readonly maxTokens: number;
  /** Bytes of WASM memory that may be taken; default 4 GiB, all there is. */
  readonly maxBytes?: number;
}

const MAX_BYTES = 2 ** 32;
/** Products of so many int8 weights and activations fit 32 bits with at least 12 bits of activation. */
const MOST_INNER = 8_192;
const OPTIONS = new Set(['precision', 'variant', 'maxTokens', 'maxBytes']);

/** All options, with their defaults. @throws `invalid_option` */
export function checkKernelOptions(
  options: KernelOptions,
  shape: Architecture,
): Required<KernelOptions> {
  for (const name of Object.keys(options)) {
    if (!OPTIONS.has(name)) throw invalid(`The kernel has no option "${name}"`);
  }
  return {
    precision: oneOf('precision', options.precision, ['int8', 'float32']),
    variant: oneOf('variant', options.variant, ['simd128', 'relaxed']),
    maxTokens: integer('maxTokens', options.maxTokens, 1, shape.positions),
    maxBytes: integer('maxBytes', options.maxBytes ?? MAX_BYTES, 0, MAX_BYTES),
  };
}

/** Refuses what the kernel cannot run. @throws `unsupported` */
export function checkShape({ hidden, heads, intermediate }: Architecture): void {
  if (hidden % heads !== 0) {
    throw unsupported(`${hidden} columns cannot be shared out among ${heads} heads`);
  }
  if (Math.max(hidden, intermediate) > MOST_INNER) {
    throw unsupported(`its layers have more than ${MOST_INNER} columns`);
  }
}

function integer(name: string, value: unknown, least: number, most: number): number {
  if (Number.isInteger(value) && (value as number) >= least && (value as number) <= most) {
    return value as number;
  }
  throw invalid(`${name} must be an integer from ${least} to ${most}, but is ${String(value)}`);
}

function oneOf<T extends string>(name: string, value: unknown, values: readonly T[]): T {
  const found = values.find((known) => known === value);
  if (found !== undefined) return found;
  throw invalid(`${name} must be ${values.join(' or ')}, but is ${String(value)}`);
}

function invalid(what: string): WhorlError {
  return new WhorlError('invalid_option', `${what}. Nothing was changed.`);
}

function unsupported(what: string): WhorlError {
  return new WhorlError(
    'unsupported',
    `The encoder cannot run this model: ${what}. Nothing was changed.`,
  );
}
