/** The bar of a download that nobody announced. */
import type { DownloadProgress } from '../../src/shared/types.ts';

/** Bytes between two reports. */
const STEP_BYTES = 64 * 1024;

/** One bar over both files; how much comes is known only as each answer begins, so that the end may move. */
export class LooseBar {
  readonly #report: (progress: DownloadProgress) => void;
  readonly #files = new Map<string, { loaded: number; total: number; fromCache: boolean }>();
  #reported = -STEP_BYTES;

  constructor(report: (progress: DownloadProgress) => void) {
    this.#report = report;
  }

  listen(file: string): (loaded: number, total: number | null, fromCache: boolean) => void {
    return (loaded, total, fromCache) => {
      this.#files.set(file, { loaded, total: Math.max(total ?? 0, loaded), fromCache });
      const { loadedBytes } = this.#sums();
      const whole = total !== null && loaded >= total;
      if (!whole && Math.abs(loadedBytes - this.#reported) < STEP_BYTES) return;
      this.#reported = loadedBytes;
      this.#report({ stage: fromCache ? 'verify' : 'download', file, ...this.#sums() });
    };
  }

  stage(stage: 'compile' | 'check'): void {
    this.#report({ stage, ...this.#sums() });
  }

  #sums(): Omit<DownloadProgress, 'stage' | 'file'> {
    const files = [...this.#files.values()];
    return {
      loadedBytes: files.reduce((sum, { loaded }) => sum + loaded, 0),
      totalBytes: files.reduce((sum, { total }) => sum + total, 0),
      fromCache: files.every(({ fromCache }) => fromCache),
    };
  }
}
