/** Keeps the marker current: seldom, because only its being there matters at once. */
import type { MirrorFiles } from './files.ts';
import { type Marker, writeMarker } from './marker.ts';
import type { Timer } from './mirror.ts';

/** Milliseconds between two writes. */
const EVERY_MS = 2_000;

export class MarkerKeeper {
  readonly #options: { readonly files: MirrorFiles; readonly timer: Timer };
  readonly #content: () => Omit<Marker, 'turn'>;
  #turn: number;
  #cancel: (() => void) | null = null;
  #written = false;
  #tail: Promise<void> = Promise.resolve();

  constructor(
    options: { readonly files: MirrorFiles; readonly timer: Timer },
    turn: number,
    content: () => Omit<Marker, 'turn'>,
  ) {
    this.#options = options;
    this.#turn = turn;
    this.#content = content;
  }

  /** Writes it within two seconds; at once the first time. A failure is tried again with the next change. */
  soon(): void {
    if (this.#cancel !== null) return;
    const ms = this.#written ? EVERY_MS : 0;
    this.#cancel = this.#options.timer(() => {
      this.#cancel = null;
      this.now().catch(() => {});
    }, ms);
  }

  /** Writes it; one write at a time. */
  now(): Promise<void> {
    const write = async (): Promise<void> => {
      this.#turn += 1;
      await writeMarker(this.#options.files, { ...this.#content(), turn: this.#turn });
      this.#written = true;
    };
    const writing = this.#tail.then(write);
    this.#tail = writing.catch(() => {});
    return writing;
  }

  close(): void {
    this.#cancel?.();
    this.#cancel = null;
  }
}
