/** Looking at what lies in OPFS, without holding any of it. */
import type { MirrorFiles } from './files.ts';
import type { Survey } from './judge.ts';
import { type FoundLog, followLog, type LogPlace, readHeader } from './log-reader.ts';
import { type Marker, readMarker } from './marker.ts';

const LOG_NAME = /^log-(\d{1,15})-[A-Za-z0-9-]{1,40}$/;

export function logName(generation: number, id: string): string {
  return `log-${generation}-${id}`;
}

/** The generation in the name of a log, or null for other files. */
export function generationOf(name: string): number | null {
  const [, digits] = LOG_NAME.exec(name) ?? [];
  return digits === undefined ? null : Number(digits);
}

export interface FullSurvey extends Survey {
  /** All logs, usable or not. */
  readonly names: readonly string[];
  /** A later version of this program wrote one of them: they are not ours to touch. */
  readonly tooNew: boolean;
}

/** Rejects where the files cannot be read. `format`: the newest one that this program knows. */
export async function survey(files: MirrorFiles, format: number): Promise<FullSurvey> {
  const all = await files.list();
  const names = all.filter((name) => generationOf(name) !== null);
  names.sort((a, b) => (generationOf(b) ?? 0) - (generationOf(a) ?? 0));
  const marker = await readMarker(files);
  let log: FoundLog | null = null;
  for (const name of names) {
    const header = await readHeader(files, name, format);
    if (header === 'too new') return { marker, log: null, names, tooNew: true };
    if (header === null || log !== null) continue;
    const place = await followLog(files, name, await knownPlace(files, name, marker));
    if (place !== null) log = { ...header, ...place, name };
  }
  return { marker, log, names, tooNew: false };
}

/** The place that the marker names, if the log still reaches so far; else it is read from its beginning. */
async function knownPlace(
  files: MirrorFiles,
  name: string,
  marker: Marker | 'damaged' | null,
): Promise<LogPlace | null> {
  if (marker === null || marker === 'damaged' || marker.log?.name !== name) return null;
  const { place } = marker.log;
  const lastByte = await files.read(name, place.end - 1, 1);
  return lastByte.length === 1 ? place : null;
}
