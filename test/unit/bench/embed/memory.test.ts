import { describe, expect, it } from 'vitest';
import { anonymousBytes } from '../../../../bench/embed/memory.ts';

const STATUS = 'Name:\tchromium\nVmRSS:\t  300000 kB\nRssAnon:\t   36864 kB\nRssFile:\t 200 kB\n';

describe('the memory of a process', () => {
  it('is what it shares with nobody', () => {
    expect(anonymousBytes(STATUS)).toBe(36 * 2 ** 20);
  });

  it('is refused where the system does not say', () => {
    expect(() => anonymousBytes('Name:\tchromium\n')).toThrow('no RssAnon');
  });
});
