/** The bounds of archives, kept when writing and demanded when reading, and the errors of both. */
import { WhorlError } from '../../src/shared/errors.ts';

/** Version of the file; see docs/archive-format.md. */
export const FORMAT = 1;

/** What zip can say of one file without its 64-bit extension, which this format does not use. */
export const MAX_FILE_BYTES = 2 ** 32 - 2;
/** All entries together, inflated. */
export const MAX_EXPANDED_BYTES = 2 ** 32 - 2;
export const MAX_ENTRIES = 16_384;
export const MAX_DIRECTORY_BYTES = 16_777_216;
export const MAX_MANIFEST_BYTES = 8_388_608;
/** Of 64 fields, with long descriptions. */
export const MAX_SCHEMA_BYTES = 4_194_304;
/** The longest row that a store takes: 64 KiB a field, every byte of it escaped. */
export const MAX_LINE_BYTES = 33_554_432;
export const MAX_ROWS = 10_000_000;
/** Deflate reaches 1:1,032; text that people wrote stays below 1:20. */
export const MAX_RATIO = 200;
/** So much may come out of however little: a few rows that are all alike. */
export const FREE_BYTES = 65_536;

/** Bytes read, hashed, inflated or checked between two signs of life. */
export const STEP_BYTES = 1_048_576;

/** Called after each step of at most {@link STEP_BYTES}; throws where the work is to end. */
export type Step = (bytes: number) => void;

const KEPT = 'Nothing was imported, and what is stored was not changed.';

/** The file is not an archive of ours, or not as it was written. `where` names entry and line. */
export function archiveInvalid(where: string, what: string, cause?: unknown): WhorlError {
  const options = cause === undefined ? {} : { cause };
  return new WhorlError('archive_invalid', `${where}: ${what}. ${KEPT}`, options);
}

export function archiveTooLarge(where: string, what: string): WhorlError {
  return new WhorlError('too_large', `${where}: ${what}. ${KEPT}`);
}

export function archiveTooNew(format: number): WhorlError {
  return new WhorlError(
    'storage_too_new',
    `The file has format ${format}, this program knows ${FORMAT}. ${KEPT} Import it with a later version.`,
  );
}
