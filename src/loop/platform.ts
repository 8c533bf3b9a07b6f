/** Two things that the platform has only in pieces. */
import { abortedError, throwIfAborted } from '../shared/errors.ts';

/** SHA-256 of UTF-8 text as hex digits, by WebCrypto (secure contexts and localhost). */
export async function sha256(text: string): Promise<string> {
  const bytes = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(text));
  return Array.from(new Uint8Array(bytes), (byte) => byte.toString(16).padStart(2, '0')).join('');
}

/** Gives up waiting for a promise that others wait for too. */
export async function orAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  throwIfAborted(signal);
  let leave = () => {};
  const left = new Promise<never>((_, reject) => {
    leave = () => reject(abortedError(signal));
    signal.addEventListener('abort', leave, { once: true });
  });
  try {
    return await Promise.race([promise, left]);
  } finally {
    signal.removeEventListener('abort', leave);
  }
}
