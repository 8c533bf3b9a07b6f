/** What `engine.export` and `engine.import` take, checked: unknown names are refused, not ignored. */
import type { ArchiveProgress, ImportConflict } from '../shared/archive-types.ts';
import { WhorlError } from '../shared/errors.ts';

export interface ExportOptions {
  /** Names of the collections. Default: all. */
  readonly collections?: readonly string[];
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: ArchiveProgress) => void;
}

export interface ImportOptions {
  /** What happens to a collection whose name is taken. Default `refuse`: nothing at all is imported then. */
  readonly onConflict?: ImportConflict;
  /** Names in the file, each with the name to import it under. */
  readonly rename?: { readonly [from: string]: string };
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: ArchiveProgress) => void;
}

const CONFLICTS: readonly ImportConflict[] = ['refuse', 'replace', 'skip'];

function invalid(call: string, what: string): WhorlError {
  return new WhorlError('invalid_option', `${call}: ${what}`);
}

function checkKnown(call: string, options: object, known: readonly string[]): void {
  if (typeof options !== 'object' || options === null)
    throw invalid(call, 'options are an object.');
  const stranger = Object.keys(options).find((name) => !known.includes(name));
  if (stranger !== undefined) throw invalid(call, `there is no option "${stranger}".`);
}

/** Throws `invalid_option`. */
export function checkExport(options: ExportOptions): void {
  checkKnown('export', options, ['collections', 'signal', 'onProgress']);
  const { collections } = options;
  if (collections === undefined) return;
  if (!Array.isArray(collections) || !collections.every((name) => typeof name === 'string')) {
    throw invalid('export', '"collections" must be a list of names.');
  }
}

/** Defaults filled in. Throws `invalid_option`. */
export function checkImport(options: ImportOptions): {
  readonly onConflict: ImportConflict;
  readonly rename: readonly (readonly [string, string])[];
} {
  checkKnown('import', options, ['onConflict', 'rename', 'signal', 'onProgress']);
  const { onConflict = 'refuse', rename = {} } = options;
  if (!CONFLICTS.includes(onConflict)) {
    throw invalid('import', `"onConflict" must be one of ${CONFLICTS.join(', ')}.`);
  }
  if (typeof rename !== 'object' || rename === null) {
    throw invalid('import', '"rename" must be an object of names.');
  }
  const pairs = Object.entries(rename);
  if (!pairs.every(([, to]) => typeof to === 'string')) {
    throw invalid('import', '"rename" must be an object of names.');
  }
  return { onConflict, rename: pairs };
}

/** The file as a blob that nobody changes any more. Throws `invalid_option`. */
export function blobOf(source: unknown): Blob {
  if (source instanceof Blob) return source;
  if (source instanceof ArrayBuffer || ArrayBuffer.isView(source)) {
    return new Blob([source as BlobPart]);
  }
  throw invalid('import', 'the file must be a Blob, a File, an ArrayBuffer or a view of one.');
}
