/**
 * Citation marks in every form in which they are read: `[1]`, `[1, 3]`, `[1-3]`, `【1】`, `［1］`. Whoever
 * reads, strips or defuses them takes the pattern from here, so that none is read that is not defused.
 */

/** Numbers of up to three digits, in lists and ranges. */
const NUMBERS = '\\d{1,3}(?:\\s*[,，、;–-]\\s*\\d{1,3})*';

/** Source of a regular expression (flag `u`); its one group holds the numbers. */
export const CITATION_MARK = `[[【［]\\s*(${NUMBERS})\\s*[\\]】］]`;

/** The same, but `[1](url)` is a link. */
export const CITATION = `${CITATION_MARK}(?!\\()`;
