import { describe, expect, test, vi } from 'vitest';
import { chooseVariant, KernelProbe, readKernelFacts } from '../../workers/embed/kernel/variant.ts';

describe('the kernel of this browser', () => {
  test('has facts from which a build is chosen', async () => {
    const facts = await readKernelFacts();
    expect(facts).toMatchObject({ simd: true, relaxed: true, faults: 0 });
    expect(['unsigned', 'signed', 'saturating']).toContain(facts.dot);
    if (facts.dot === 'signed') expect(facts.speedup).toBeGreaterThan(0);
    else expect(facts.speedup).toBeNull();
    const choice = chooseVariant(facts);
    if (facts.dot === 'unsigned') expect(choice).toHaveProperty('variant', 'relaxed');
    else if (facts.dot === 'saturating') expect(choice).toHaveProperty('variant', 'simd128');
    else expect(choice).toHaveProperty('variant');
  });

  test('computes the relaxed dot rightly before and after the code is compiled anew', async () => {
    const probe = await KernelProbe.open();
    for (let round = 0; round < 200; round++) expect(probe?.faults()).toBe(0);
    await new Promise((resolve) => setTimeout(resolve, 200));
    for (let round = 0; round < 20; round++) expect(probe?.faults()).toBe(0);
  });

  test('can be raced, whatever the dot is', async () => {
    const probe = await KernelProbe.open();
    expect(probe?.speedup(() => performance.now())).toBeGreaterThan(0);
  });

  test('is refused by a policy as if relaxed SIMD were not there', async () => {
    const refused = new WebAssembly.CompileError('refused');
    const instantiate = vi.spyOn(WebAssembly, 'instantiate').mockRejectedValue(refused);
    try {
      expect(await readKernelFacts()).toEqual({
        opens: true,
        simd: true,
        relaxed: false,
        faults: null,
        dot: null,
        speedup: null,
      });
      expect(instantiate).toHaveBeenCalledOnce();
    } finally {
      instantiate.mockRestore();
    }
  });
});
