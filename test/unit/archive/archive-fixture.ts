/** Archives without workers: what a store reads out is packed, checked and taken in on one thread. */
import type {
  ArchivedCollection,
  ImportConflict,
  ImportResult,
} from '../../../src/shared/archive-types.ts';
import { checkArchive } from '../../../workers/archive/check.ts';
import { packArchive } from '../../../workers/archive/pack.ts';
import type { IndexCore } from '../../../workers/index/core.ts';

export const noStep = (): void => {};

export async function exported(core: IndexCore, collections?: readonly string[]): Promise<Blob> {
  const request = collections === undefined ? {} : { collections };
  return packArchive(await core.archives.readOut(request), noStep);
}

export async function imported(
  core: IndexCore,
  file: Blob,
  how: {
    readonly onConflict?: ImportConflict;
    readonly rename?: readonly (readonly [string, string])[];
    readonly signal?: AbortSignal;
  } = {},
): Promise<ImportResult> {
  const { onConflict = 'refuse', rename = [], signal } = how;
  const collections = await checked(file);
  return core.archives.takeIn({ collections, onConflict, rename }, { signal });
}

export function checked(file: Blob): Promise<readonly ArchivedCollection[]> {
  return checkArchive(file, noStep);
}

export async function bytesOf(blob: Blob): Promise<Uint8Array<ArrayBuffer>> {
  return new Uint8Array(await blob.arrayBuffer());
}

/** Sum of bytes that tells whether two blobs are equal, with a readable difference. */
export async function textOf(blob: Blob): Promise<string> {
  return Buffer.from(await blob.arrayBuffer()).toString('latin1');
}
