/**
 * The question that is being answered. The newest call wins: asking again stops the older one, and
 * nothing that an older one still says is heard. Pieces of the answer are gathered and shown once a
 * picture.
 */
import type { AskOptions, Loop, StopReason, Turn } from '../loop/types.ts';
import type { RunningTurn } from './state.ts';

export type Outcome =
  | { readonly kind: 'answered'; readonly turn: Turn; readonly isNewest: boolean }
  | { readonly kind: 'stopped' }
  /** Shown and not stored: it is no turn to come back to. */
  | { readonly kind: 'draft'; readonly reason: StopReason; readonly isNewest: boolean }
  | { readonly kind: 'failed'; readonly error: unknown };

export interface AskingPorts {
  readonly frame: (callback: () => void) => void;
  /** Shows the running turn; never called for a call that is not the newest. */
  readonly show: (running: RunningTurn) => void;
}

export class Asking {
  readonly #ports: AskingPorts;
  #abort: AbortController | null = null;
  #running: RunningTurn | null = null;
  #calls = 0;
  #text = '';
  #isFrameDue = false;

  constructor(ports: AskingPorts) {
    this.#ports = ports;
  }

  /** Stops the running answer. */
  stop(): void {
    this.#abort?.abort();
  }

  /** Asks; never rejects. An answer that was stored before a newer call came is still an answer. */
  async run(loop: Loop, question: string): Promise<Outcome> {
    this.stop();
    const abort = new AbortController();
    this.#abort = abort;
    const call = this.#begin(question);
    try {
      const turn = await loop.ask(question, { signal: abort.signal, ...this.#listen(call) });
      const isNewest = call === this.#calls;
      if (turn.draft !== undefined) {
        this.#tell(call, { text: turn.answer, state: 'draft', draft: turn.draft });
        return { kind: 'draft', reason: turn.draft, isNewest };
      }
      if (isNewest) this.#running = null;
      return { kind: 'answered', turn, isNewest };
    } catch (error) {
      const isStopped = abort.signal.aborted;
      this.#tell(call, { text: this.#textOf(call), state: isStopped ? 'stopped' : 'failed' });
      return isStopped ? { kind: 'stopped' } : { kind: 'failed', error };
    }
  }

  #begin(question: string): number {
    this.#calls += 1;
    this.#text = '';
    const call = this.#calls;
    const nothing = { stage: 'embed', hits: [], text: '', draft: null } as const;
    this.#running = { ...nothing, call, question, state: 'running' };
    this.#ports.show(this.#running);
    return call;
  }

  #listen(call: number): AskOptions {
    return {
      onStage: (stage) => this.#tell(call, { stage }),
      onHits: (hits) => this.#tell(call, { hits }),
      onToken: (token) => {
        if (call !== this.#calls) return;
        this.#text += token;
        if (this.#isFrameDue) return;
        this.#isFrameDue = true;
        this.#ports.frame(() => {
          this.#isFrameDue = false;
          // A newer call may have begun since; then this shows what that one has so far.
          this.#tell(this.#calls, { text: this.#text });
        });
      },
    };
  }

  #textOf(call: number): string {
    return call === this.#calls ? this.#text : '';
  }

  #tell(call: number, change: Partial<RunningTurn>): void {
    const running = this.#running;
    if (running?.call !== call || running.state !== 'running') return;
    this.#running = { ...running, ...change };
    this.#ports.show(this.#running);
  }
}
