import { setFlagsFromString } from 'node:v8';
import { describe, expect, test } from 'vitest';
import {
  chooseVariant,
  type KernelFacts,
  KernelProbe,
  readKernelFacts,
} from '../../../workers/embed/kernel/variant.ts';
import { race } from '../../../workers/embed/kernel/variant-race.ts';

const GOOD: KernelFacts = {
  opens: true,
  simd: true,
  relaxed: true,
  faults: 0,
  dot: 'signed',
  speedup: 1.3,
};

const chosen = (facts: Partial<KernelFacts>) => {
  const choice = chooseVariant({ ...GOOD, ...facts });
  return 'refused' in choice ? 'refused' : choice.variant;
};

describe('the choice', () => {
  test('takes relaxed SIMD where it is right and faster', () => {
    expect(chooseVariant(GOOD)).toEqual({
      variant: 'relaxed',
      why: expect.stringContaining('1.30x'),
    });
    expect(chosen({ dot: 'unsigned', speedup: null })).toBe('relaxed');
    expect(chosen({ dot: 'other' })).toBe('relaxed');
  });

  test.each<[string, Partial<KernelFacts>]>([
    ['is not there', { relaxed: false, faults: null, dot: null, speedup: null }],
    ['answers wrongly', { faults: 1 }],
    ['answers wrongly by its own instruction', { faults: 1, dot: 'unsigned', speedup: null }],
    ['was not tested', { faults: null }],
    ['is put together from other instructions', { dot: 'saturating', speedup: null }],
    ['was not timed', { speedup: null }],
    ['is slower', { speedup: 0.7 }],
    ['is hardly faster', { speedup: 1.04 }],
    ['was timed by a clock that stands still', { speedup: 0 }],
    ['was timed as nonsense', { speedup: Number.NaN }],
  ])('takes plain SIMD where relaxed SIMD %s', (_, facts) => {
    expect(chosen(facts)).toBe('simd128');
  });

  test('refuses without SIMD, whatever else is said', () => {
    expect(chosen({ simd: false })).toBe('refused');
  });

  test('refuses where the kernel cannot be opened, and says what is missing', () => {
    expect(chooseVariant({ ...GOOD, opens: false })).toEqual({
      refused: expect.stringContaining('no DecompressionStream'),
    });
  });
});

describe('the race', () => {
  /** A clock that ticks in steps, and a function that takes that long. */
  const machine = (step: number) => {
    let time = 0;
    return {
      now: () => Math.floor(time / step) * step,
      takes: (ms: number) => () => {
        time += ms;
      },
    };
  };

  test.each([0.005, 0.1])('measures the ratio with a clock of %d ms', (step) => {
    const { now, takes } = machine(step);
    const speedup = race({ first: takes(0.0013), second: takes(0.001), now });
    expect(speedup).toBeGreaterThan(1.2);
    expect(speedup).toBeLessThan(1.4);
  });

  test('does not let a pause decide', () => {
    const { now, takes } = machine(0.1);
    let calls = 0;
    const second = () => takes(calls++ === 3 ? 40 : 0.001)();
    expect(race({ first: takes(0.0013), second, now })).toBeGreaterThan(1.2);
  });

  test('ends with a clock that stands still', () => {
    expect(race({ first: () => {}, second: () => {}, now: () => 5 })).toBe(0);
  });
});

describe('this machine', () => {
  test('gives facts from which a build can be chosen', async () => {
    const facts = await readKernelFacts();
    expect(facts.simd).toBe(true);
    expect(chooseVariant(facts)).toHaveProperty('variant');
    if (facts.dot === 'unsigned') expect(facts.speedup).toBeNull();
    if (!facts.relaxed) expect(facts).toMatchObject({ faults: null, dot: null, speedup: null });
  });

  test('the probe counts no faults in code of the optimising compiler', async () => {
    // Node 20 hides relaxed SIMD behind a flag, and its first compiler gets the dot wrong.
    setFlagsFromString('--experimental-wasm-relaxed-simd');
    setFlagsFromString('--no-liftoff');
    const probe = await KernelProbe.open();
    expect(probe).not.toBeNull();
    expect(probe?.faults()).toBe(0);
    expect(['unsigned', 'signed', 'saturating']).toContain(probe?.dot());
  });
});
