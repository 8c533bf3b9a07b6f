import { describe, expect, it } from 'vitest';
import { isOnnxSpec, type OnnxOptions, onnx, resolveOnnx } from '../../../src/embedder/onnx.ts';

const GOOD: OnnxOptions = {
  url: 'models/e5/model.onnx',
  tokenizer: 'https://hub.test/e5/tokenizer.json',
  pooling: 'mean',
};
const PAGE = 'https://shop.test/app/index.html';

describe('onnx', () => {
  it('makes a spec that is known again, also from another copy of the library', () => {
    const spec = onnx({ ...GOOD, model: 'e5', maxTokens: 512 });
    expect(isOnnxSpec(spec)).toBe(true);
    expect(isOnnxSpec({ ...GOOD })).toBe(false);
    expect(isOnnxSpec({ embed: () => [] })).toBe(false);
    expect([null, undefined, 'onnx', 7].some(isOnnxSpec)).toBe(false);
    expect(Object.isFrozen(spec)).toBe(true);
  });

  it('means absolute addresses', () => {
    expect(resolveOnnx(onnx(GOOD), PAGE)).toEqual({
      url: 'https://shop.test/app/models/e5/model.onnx',
      tokenizer: 'https://hub.test/e5/tokenizer.json',
      pooling: 'mean',
    });
    const spec = onnx({
      ...GOOD,
      url: new URL('https://hub.test/m.onnx?download=true#top'),
      pooling: 'cls',
      model: 'bge',
      maxTokens: 3,
    });
    expect(resolveOnnx(spec, PAGE)).toEqual({
      url: 'https://hub.test/m.onnx?download=true',
      tokenizer: GOOD.tokenizer,
      pooling: 'cls',
      model: 'bge',
      maxTokens: 3,
    });
  });

  it('does not change with the object that it was made of', () => {
    const options = { ...GOOD };
    const spec = onnx(options);
    options.pooling = 'cls';
    expect(spec.pooling).toBe('mean');
  });

  it.each([
    [{ dimension: 384 }, /no option "dimension"/],
    [{ pooling: undefined }, /"pooling" must be "mean", "cls" or "none", not undefined/],
    [{ pooling: 'max' }, /not "max"/],
    [{ url: undefined }, /"url" must be an address, not undefined/],
    [{ url: ' ' }, /"url" must be an address/],
    [{ url: { href: 'x' } }, /"url" must be an address/],
    [{ tokenizer: null }, /"tokenizer" must be an address, not null/],
    [{ model: '' }, /"model" must be a text/],
    [{ model: 'm'.repeat(201) }, /"model" must be a text/],
    [{ model: 7 }, /"model" must be a text/],
    [{ maxTokens: 2 }, /"maxTokens" must be a whole number from 3 to 8,192, not 2/],
    [{ maxTokens: 8_193 }, /not 8193/],
    [{ maxTokens: 12.5 }, /not 12.5/],
    [{ maxTokens: '256' }, /not "256"/],
    [{ maxTokens: Number.NaN }, /not NaN/],
  ])('refuses %j by name', (change, why) => {
    const attempt = () => onnx({ ...GOOD, ...change } as OnnxOptions);
    expect(attempt).toThrow(why);
    expect(attempt).toThrow(expect.objectContaining({ code: 'invalid_option' }));
  });

  it.each([undefined, null, 'model.onnx'])('refuses %j in the place of options', (options) => {
    expect(() => onnx(options as never)).toThrow(
      expect.objectContaining({ code: 'invalid_option' }),
    );
  });

  it.each([
    ['file:///etc/model.onnx', /http or https address, not "file:"/],
    ['data:,x', /not "data:"/],
    ['javascript:alert(1)', /not "javascript:"/],
    ['https://', /is not an address/],
    ['https://name:secret@hub.test/m.onnx', /user name or a password/],
  ])('refuses the address %s', (url, why) => {
    const attempt = () => resolveOnnx(onnx({ ...GOOD, url }), PAGE);
    expect(attempt).toThrow(why);
    expect(attempt).toThrow(expect.objectContaining({ code: 'invalid_option' }));
    expect(attempt).not.toThrow(/secret/);
  });
});
