import { describe, expect, it } from 'vitest';
import { contradicts, coverEntities } from '../../../src/loop/evaluate/index.ts';

const record = { name: 'Green Dragon', location: 'Bywater', famous_visitor: 'Frodo Baggins' };

describe('coverEntities', () => {
  it('finds values whatever their case and width, as whole words', () => {
    const text = 'The GREEN  dragon of ＢＹＷＡＴＥＲ was loved by Frodo Bagginses.';
    expect(coverEntities(text, record)).toEqual({
      covered: ['name', 'location'],
      missing: ['famous_visitor'],
    });
  });

  it('finds Chinese, Japanese and Korean values inside words', () => {
    const fields = { name: '雪割荘', location: '十日町', famous_visitor: '석달호' };
    expect(coverEntities('十日町の雪割荘は석달호가', fields).missing).toEqual([]);
    expect(coverEntities('十日の雪', fields).covered).toEqual([]);
  });

  it('takes an empty value for missing and a number for its digits', () => {
    expect(coverEntities('It has 12 rooms', { rooms: 12, name: '' })).toEqual({
      covered: ['rooms'],
      missing: ['name'],
    });
    expect(coverEntities('It has 120 rooms', { rooms: 12 }).covered).toEqual([]);
  });
});

describe('contradicts', () => {
  it.each([
    ['The Green Dragon is not in Bywater.', /location/],
    ['The Green Dragon is nowhere near Bywater.', /location/],
    ['This is not the Green Dragon.', /name/],
    ['The Green Dragon was never visited by Frodo Baggins.', /famous_visitor/],
    ['Frodo Baggins never visited the Green Dragon.', /famous_visitor/],
    ["Frodo Baggins didn't stay here.", /famous_visitor/],
  ])('sees that %j denies the record', (text, reason) => {
    expect(contradicts(text, record)).toMatch(reason);
  });

  it.each([
    'The Green Dragon of Bywater is not a quiet place; Frodo Baggins never left early.',
    'It lies not far from Bywater.',
    'Do not miss the Green Dragon.',
    'The road from Bywater leads to Hobbiton, where Sam lives.',
    'It is not in Bree. The Green Dragon stands in Bywater.',
    'The Green Dragon is not in Bywater proper. It is a mile from Bywater.',
    'Frodo Baggins was not alone.',
  ])('finds none in %j', (text) => {
    expect(contradicts(text, record)).toBeNull();
  });

  it('sees another number beside the name of its field', () => {
    const rooms = { rooms: 12, built_in: 1862 };
    expect(contradicts('It has 14 rooms.', rooms)).toMatch(/rooms 14/);
    expect(contradicts('It has fourteen rooms.', rooms)).toMatch(/rooms 14/);
    expect(contradicts('It was built in 1,872.', rooms)).toMatch(/1872/);
    expect(contradicts('It has twelve rooms and was built in 1862.', rooms)).toBeNull();
    expect(contradicts('In 1999 it had a feast in each of the rooms.', rooms)).toBeNull();
  });

  it('sees denials in Japanese, Chinese and Korean', () => {
    const east = { location: '十日町' };
    expect(contradicts('この宿は十日町ではありません。', east)).toMatch(/location/);
    expect(contradicts('这家店不在十日町。', east)).toMatch(/location/);
    expect(contradicts('이곳은 十日町이 아닙니다.', east)).toMatch(/location/);
    expect(contradicts('十日町にある宿です。', east)).toBeNull();
  });
});
