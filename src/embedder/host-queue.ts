/** One call after the other, queries first: an embedder of the host is not asked to do two things at once. */
import { abortedError, WhorlError } from '../shared/errors.ts';
import { Patience } from '../shared/patience.ts';

interface Waiting {
  readonly urgent: boolean;
  run(): Promise<void>;
}

export class HostQueue {
  readonly #patienceMs: number;
  #waiting: Waiting[] = [];
  /** How to end the calls that are not settled. */
  readonly #open = new Set<(error: WhorlError) => void>();
  #isBusy = false;
  #closed: WhorlError | null = null;

  /** @param patienceMs Milliseconds after which a call that has not answered is given up. */
  constructor(patienceMs: number) {
    this.#patienceMs = patienceMs;
  }

  /**
   * Runs `work` when its turn comes. Rejects at once when the signal fires; the next call still waits for
   * `work` to settle, or for the patience to end.
   *
   * @throws WhorlError `aborted`, `deadline` (retryable), `closed`, or what `work` throws.
   */
  run<T>(
    work: (signal: AbortSignal) => Promise<T>,
    { urgent, signal }: { readonly urgent: boolean; readonly signal: AbortSignal },
  ): Promise<T> {
    if (this.#closed !== null) return Promise.reject(this.#closed);
    if (signal.aborted) return Promise.reject(abortedError(signal));
    return new Promise<T>((resolve, reject) => {
      const end = (error: WhorlError): void => {
        this.#waiting = this.#waiting.filter((each) => each !== entry);
        this.#open.delete(end);
        signal.removeEventListener('abort', stop);
        reject(error);
      };
      const stop = (): void => end(abortedError(signal));
      const run = async (): Promise<void> => {
        try {
          resolve(await this.#bounded(work, signal));
        } catch (error) {
          reject(error);
        } finally {
          this.#open.delete(end);
          signal.removeEventListener('abort', stop);
        }
      };
      const entry: Waiting = { urgent, run };
      signal.addEventListener('abort', stop, { once: true });
      this.#open.add(end);
      this.#waiting.push(entry);
      void this.#next();
    });
  }

  /** Rejects what runs, what waits and what comes. */
  close(error: WhorlError): void {
    this.#closed = error;
    for (const end of [...this.#open]) end(error);
  }

  async #next(): Promise<void> {
    if (this.#isBusy) return;
    const entry = this.#waiting.find(({ urgent }) => urgent) ?? this.#waiting[0];
    if (entry === undefined) return;
    this.#waiting = this.#waiting.filter((each) => each !== entry);
    this.#isBusy = true;
    await entry.run();
    this.#isBusy = false;
    void this.#next();
  }

  async #bounded<T>(work: (signal: AbortSignal) => Promise<T>, signal: AbortSignal): Promise<T> {
    let patience: Patience | undefined;
    const late = new Promise<never>((_, reject) => {
      const message = `The embedder gave no answer in ${this.#patienceMs} ms. Nothing was kept; try again.`;
      const expire = () => reject(new WhorlError('deadline', message, { retryable: true }));
      patience = new Patience(this.#patienceMs, expire);
    });
    try {
      return await Promise.race([work(signal), late]);
    } finally {
      patience?.stop();
    }
  }
}
