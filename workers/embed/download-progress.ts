/** One bar over all files: it counts what is verified and what is on its way, and never goes back. */
import type { DownloadProgress } from '../../src/shared/types.ts';

/** Bytes between two reports of one stretch. */
const STEP_BYTES = 64 * 1024;

export class ProgressMeter {
  readonly #total: number;
  readonly #report: (progress: DownloadProgress) => void;
  #verified = 0;
  #highest = 0;
  #reported = 0;
  #fetched = false;

  constructor(totalBytes: number, report: (progress: DownloadProgress) => void) {
    this.#total = totalBytes;
    this.#report = report;
  }

  /** Bytes that were received behind the verified ones; after a cut they are received again and not counted twice. */
  arriving(file: string, bytes: number): void {
    this.#fetched = true;
    this.#highest = Math.max(this.#highest, Math.min(this.#verified + bytes, this.#total));
    if (this.#highest - this.#reported >= STEP_BYTES) this.#say(file, false);
  }

  /** Bytes that were read and verified. */
  verified(file: string, bytes: number, fromCache: boolean): void {
    if (!fromCache) this.#fetched = true;
    this.#verified += bytes;
    this.#highest = Math.max(this.#highest, this.#verified);
    this.#say(file, fromCache);
  }

  /** The stages after the last byte. */
  stage(stage: 'compile' | 'check'): void {
    this.#report({
      stage,
      loadedBytes: this.#total,
      totalBytes: this.#total,
      fromCache: !this.#fetched,
    });
  }

  #say(file: string, fromCache: boolean): void {
    this.#reported = this.#highest;
    this.#report({
      stage: fromCache ? 'verify' : 'download',
      loadedBytes: this.#highest,
      totalBytes: this.#total,
      file,
      fromCache,
    });
  }
}
