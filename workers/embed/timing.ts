/** The clock of the embed worker. */
import { abortedError } from '../../src/shared/errors.ts';

/** Resolves after some milliseconds; rejects with `aborted` when the signal fires first. */
export function wait(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = (): void => {
      clearTimeout(timer);
      reject(abortedError(signal));
    };
    const timer = setTimeout(() => {
      signal.removeEventListener('abort', stop);
      resolve();
    }, ms);
    if (signal.aborted) return stop();
    signal.addEventListener('abort', stop, { once: true });
  });
}

/** Milliseconds since some moment; never goes back. */
export function now(): number {
  return performance.now();
}

/** In Node an open port keeps the process alive; browsers have neither method. */
type HeldPort = MessagePort & { ref?(): void; unref?(): void };

const resting: (() => void)[] = [];
let channel: { readonly near: HeldPort; readonly far: MessagePort } | null = null;

/**
 * Resolves in a task of its own, after the messages that came meanwhile. A message to oneself, because
 * browsers clamp nested timers to 4 ms, which would cost work that yields every 5 ms half of its speed.
 */
export function breathe(): Promise<void> {
  channel ??= openChannel();
  const { near, far } = channel;
  return new Promise((resolve) => {
    if (resting.push(resolve) === 1) near.ref?.();
    far.postMessage(null);
  });
}

function openChannel(): { near: HeldPort; far: MessagePort } {
  const { port1, port2 } = new MessageChannel();
  const near: HeldPort = port1;
  near.onmessage = () => {
    const resolve = resting.shift();
    if (resting.length === 0) near.unref?.();
    resolve?.();
  };
  return { near, far: port2 };
}
