/**
 * The sample collection: 66 taverns and inns, invented for this project, that a first visit shows.
 * Each sentence of a description states a fact of its own, so that it can be quoted alone.
 */
import { WhorlError } from '../../shared/errors.ts';
import taverns from './taverns.json' with { type: 'json' };

/** Languages of the sample, as BCP 47 tags for `lang` attributes. */
export const sampleLanguages = ['en', 'ja', 'zh', 'ko'] as const;

export type SampleLanguage = (typeof sampleLanguages)[number];

/** One invented house. The first four fields are in the language that `lang` names. */
export interface SampleRecord {
  /** Unique in the collection. */
  readonly name: string;
  /** A real region or town. */
  readonly location: string;
  /** An invented person and what they do for a living. */
  readonly famous_visitor: string;
  /** Three to six sentences of plain text; 50 to 110 words, or 90 to 220 CJK characters. */
  readonly description: string;
  readonly lang: SampleLanguage;
}

function isSampleLanguage(tag: string): tag is SampleLanguage {
  return (sampleLanguages as readonly string[]).includes(tag);
}

/** JSON types a tag as any string; this narrows it, and names the record whose tag is not ours. */
function toRecord(entry: (typeof taverns)[number]): SampleRecord {
  const { name, location, famous_visitor, description, lang } = entry;
  if (!isSampleLanguage(lang)) {
    throw new WhorlError(
      'internal',
      `The sample record "${name}" has the language "${lang}"; known are ${sampleLanguages.join(', ')}.`,
    );
  }
  return Object.freeze({ name, location, famous_visitor, description, lang });
}

/** All sample records: English first, then Japanese, Chinese, Korean. Frozen. */
export const sampleRecords: readonly SampleRecord[] = Object.freeze(taverns.map(toRecord));
