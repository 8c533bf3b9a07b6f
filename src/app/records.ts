/**
 * Records as a person handles them: finding some in the list, reading one from the form.
 */
import { isLanguage, LANGUAGE_NAMES } from './language.ts';
import type { RecordDraft } from './ports.ts';
import type { RecordItem } from './state.ts';

/** Records that have every word of the filter somewhere, whatever case and width. */
export function filterRecords(
  records: readonly RecordItem[],
  filter: string,
): readonly RecordItem[] {
  const fold = (text: string) => text.normalize('NFKC').toLocaleLowerCase();
  const words = fold(filter).split(/\s+/).filter(Boolean);
  if (words.length === 0) return records;
  return records.filter((record) => {
    const { name, location, famous_visitor, description, lang } = record;
    const text = fold(
      `${name} ${location} ${famous_visitor} ${description} ${LANGUAGE_NAMES[lang]}`,
    );
    return words.every((word) => text.includes(word));
  });
}

/** The form's fields as a record; null when name or description is empty. */
export function draftOf(data: FormData): RecordDraft | null {
  const field = (name: string) => {
    const value = data.get(name);
    return typeof value === 'string' ? value.trim() : '';
  };
  const [name, description, lang] = [field('name'), field('description'), field('lang')];
  if (name === '' || description === '' || !isLanguage(lang)) return null;
  const [location, famous_visitor] = [field('location'), field('famous_visitor')];
  return { name, location, famous_visitor, description, lang };
}
