/**
 * Which build of the encoder's kernel runs here. What this machine does is asked first and is nothing
 * but facts; the choice is a pure function of them.
 *
 * Relaxed SIMD has one instruction that matters, a dot of int8 with 7-bit numbers. Where a machine has
 * it (VNNI, SDOT) it is up to twice as fast as the plain way, where it has to be put together from
 * others it is slower, and engines have computed it wrongly. So it is taken only where it answers
 * rightly, and is made by one instruction or, where that cannot be told, wins a race. The race is the
 * last resort: with other work on both cores, two of eight went wrong.
 */
import { canOpenBinaries, kernelBinary } from './binaries.ts';
import type { KernelVariant } from './instance.ts';
import { race } from './variant-race.ts';

/**
 * What the engine makes of the dot where the standard leaves it open, which shows how it is made:
 * `unsigned` is one instruction (AVX-VNNI), `signed` is one (SDOT, AVX-VNNI-INT8) or several (ARM without
 * SDOT), `saturating` is the three that x86 needs without VNNI.
 */
export type DotKind = 'unsigned' | 'signed' | 'saturating' | 'other';

export interface KernelFacts {
  /** There is what the kernel is opened with, a `DecompressionStream`; without it the rest is false or null. */
  readonly opens: boolean;
  /** The plain build is valid here. */
  readonly simd: boolean;
  /** Code with relaxed SIMD could be compiled; without it the rest is null. */
  readonly relaxed: boolean;
  /** Sums that the relaxed tile got wrong; 0 is right. */
  readonly faults: number | null;
  readonly dot: DotKind | null;
  /** Speed of the relaxed tile over that of the plain one; null where the dot already tells. */
  readonly speedup: number | null;
}

export type VariantChoice =
  | { readonly variant: KernelVariant; readonly why: string }
  | { readonly refused: string };

/** The relaxed build must be faster by this much: a race of milliseconds is not more certain. */
const WORTH_IT = 1.05;

/** The build to run, or why none can; in words. */
export function chooseVariant(facts: KernelFacts): VariantChoice {
  const plain = (why: string): VariantChoice => ({ variant: 'simd128', why });
  const relaxed = (why: string): VariantChoice => ({
    variant: 'relaxed',
    why: `Relaxed SIMD: ${why}.`,
  });
  if (!facts.opens) {
    return {
      refused:
        "This browser has no DecompressionStream, which the encoder's kernel is opened with (Chrome 80, Firefox 113, Safari 16.4).",
    };
  }
  if (!facts.simd)
    return { refused: "This browser's WebAssembly has no SIMD, which the encoder's kernel needs." };
  if (!facts.relaxed) return plain('Plain SIMD: relaxed SIMD is not there.');
  if (facts.faults !== 0)
    return plain(`Plain SIMD: relaxed SIMD answers wrongly here (${facts.faults} sums).`);
  if (facts.dot === 'saturating')
    return plain('Plain SIMD: this processor has no instruction for the relaxed dot.');
  if (facts.dot === 'unsigned')
    return relaxed('its sums are right and this processor has an instruction for them');
  if (facts.speedup === null || !(facts.speedup >= WORTH_IT))
    return plain(
      `Plain SIMD: relaxed SIMD is right but not faster here (${times(facts.speedup)}).`,
    );
  return relaxed(`its sums are right and it is faster here (${times(facts.speedup)})`);
}

const times = (speedup: number | null): string =>
  speedup === null ? 'not timed' : `${speedup.toFixed(2)}x`;

interface ProbeExports {
  relaxedFaults(seed: number): number;
  relaxedDot(activation: number, weight: number): number;
  timePlain(): void;
  timeRelaxed(): void;
}

/** The probe of `wasm/minilm/probe.ts`, compiled and running. */
export class KernelProbe {
  readonly #exports: ProbeExports;
  #seed = 1;

  private constructor(exports: ProbeExports) {
    this.#exports = exports;
  }

  /** Null where relaxed SIMD cannot be compiled. */
  static async open(): Promise<KernelProbe | null> {
    const bytes = await kernelBinary('probe');
    if (!WebAssembly.validate(bytes)) return null;
    try {
      const { instance } = await WebAssembly.instantiate(bytes);
      return new KernelProbe(instance.exports as unknown as ProbeExports);
    } catch {
      // A content security policy refuses all code alike; the kernel's own start says so.
      return null;
    }
  }

  /**
   * Sums of the relaxed tile that are wrong, over operands that are new at each call. To be asked again
   * once the engine has compiled the probe anew: the code is another then.
   */
  faults(): number {
    return this.#exports.relaxedFaults(this.#seed++);
  }

  dot(): DotKind {
    const made = this.#exports.relaxedDot(255, 127);
    if (made === 4 * 255 * 127) return 'unsigned';
    if (made === 4 * -1 * 127) return 'signed';
    return made === 2 * 32_767 ? 'saturating' : 'other';
  }

  /** Speed of the relaxed tile over that of the plain one. About 5 ms. */
  speedup(now: () => number): number {
    const { timePlain, timeRelaxed } = this.#exports;
    return race({ first: timePlain, second: timeRelaxed, now });
  }
}

const NO_RELAXED = { relaxed: false, faults: null, dot: null, speedup: null } as const;

/**
 * Asks this machine; a few milliseconds, and 5 more for a race where the dot does not tell. `now` is a
 * clock in milliseconds, by default the thread's own.
 */
export async function readKernelFacts(now = () => performance.now()): Promise<KernelFacts> {
  const opens = canOpenBinaries();
  if (!opens || typeof WebAssembly !== 'object') return { opens, simd: false, ...NO_RELAXED };
  const simd = WebAssembly.validate(await kernelBinary('simd128'));
  const probe = simd ? await KernelProbe.open() : null;
  if (!probe) return { opens, simd, ...NO_RELAXED };
  const dot = probe.dot();
  const before = probe.faults();
  if (before > 0 || dot === 'saturating' || dot === 'unsigned')
    return { opens, simd, relaxed: true, faults: before, dot, speedup: null };
  const speedup = probe.speedup(now);
  // By now the tile may have been compiled anew.
  return { opens, simd, relaxed: true, faults: probe.faults(), dot, speedup };
}
