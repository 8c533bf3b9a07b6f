/** Longest run that a segmenter sees at once: its time and memory stay bounded. */
const LONGEST_RUN = 512;

let words: Intl.Segmenter | undefined;

export function segmentedTerms(run: string, terms: string[]): void {
  words ??= new Intl.Segmenter('und', { granularity: 'word' });
  for (let at = 0; at < run.length; at += LONGEST_RUN) {
    for (const { segment } of words.segment(run.slice(at, at + LONGEST_RUN))) terms.push(segment);
  }
}

export function eastAsianTerms(run: string, terms: string[]): void {
  segmentedTerms(run, terms);
}

export function koreanTerms(run: string, terms: string[]): void {
  terms.push(run);
}
