/**
 * Unicode normalisation in linear time. ICU puts each combining mark into its place by walking back
 * over the marks before it, so that a long run of marks in the wrong order takes quadratic time: a
 * megabyte of two marks in turn takes ten minutes. Long runs are put into canonical order here first (UAX 15, D108 and
 * D109), which does not change what the normal form is.
 */

/** Runs of marks up to this length are left to ICU. */
const LONG_RUN = /\p{M}{64,}/gu;

/** The only character of the highest combining class, 240. */
const YPOGEGRAMMENI = '\u0345';

/** `text.normalize(form)`, in time that grows with the length whatever the text is. */
export function normalForm(text: string, form: 'NFC' | 'NFD' | 'NFKC' | 'NFKD'): string {
  return text.replace(LONG_RUN, inOrder).normalize(form);
}

/** A run of marks, decomposed and in canonical order. */
function inOrder(run: string): string {
  const marks = [...new Set(run)];
  if (marks.length === 1) return run;
  const decomposed = new Map(marks.map((mark) => [mark, [...mark.normalize('NFD')]]));
  const all = Array.from(run).flatMap((mark) => decomposed.get(mark) as string[]);
  const classes = rankByClass([...new Set(all)]);
  const count = Math.max(0, ...classes.values()) + 1;
  let buckets: string[][] = [];
  const out: string[] = [];
  const flush = (): void => {
    for (const bucket of buckets) if (bucket) out.push(bucket.join(''));
    buckets = Array.from({ length: count }, () => []);
  };
  flush();
  for (const mark of all) {
    const rank = classes.get(mark) as number;
    if (rank === 0) flush();
    (buckets[rank] as string[]).push(mark);
  }
  flush();
  return out.join('');
}

/**
 * Ranks marks by combining class, 0 for those that order nothing. JavaScript does not tell a mark's
 * class, but the normal form of two of them tells which is smaller.
 */
function rankByClass(marks: readonly string[]): Map<string, number> {
  const ordered = marks.filter(hasClass).sort((a, b) => Number(swaps(a, b)) - Number(swaps(b, a)));
  const ranks = new Map(marks.map((mark) => [mark, 0]));
  let rank = 0;
  ordered.forEach((mark, i) => {
    const before = ordered[i - 1];
    if (before === undefined || swaps(mark, before)) rank++;
    ranks.set(mark, rank);
  });
  return ranks;
}

/** Whether NFD puts the second of two marks before the first. */
function swaps(first: string, second: string): boolean {
  return (first + second).normalize('NFD') !== first + second;
}

function hasClass(mark: string): boolean {
  return mark === YPOGEGRAMMENI || swaps(YPOGEGRAMMENI, mark);
}
