export { parseCitations, withoutMarks } from './citations.ts';
export { findRepeat, type KnownText, likeness, type Repeat } from './duplicates.ts';
export { type EvaluateInput, type EvaluateOptions, type Evaluation, evaluate } from './evaluate.ts';
export { textKey } from './fold.ts';
export { contradicts, coverEntities, type RecordFields } from './record.ts';
export type { EmbedTexts } from './vectors.ts';
