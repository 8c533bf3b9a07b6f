/** A connection that says nothing counts as cut: what waits for its next word gives up after a while. */
import type { DownloadDeps } from './download-response.ts';

/** Milliseconds without a byte after which a connection counts as cut. */
export const IDLE_MS = 20_000;

/** What `word` resolves with; rejects where that takes longer than a connection may be silent. */
export async function unlessSilent<T>(
  word: Promise<T>,
  { wait }: Pick<DownloadDeps, 'wait'>,
): Promise<T> {
  const idle = new AbortController();
  const silence = wait(IDLE_MS, idle.signal).then(() => {
    throw new Error(`no byte came for ${IDLE_MS / 1_000} s`);
  });
  silence.catch(() => {});
  try {
    return await Promise.race([word, silence]);
  } finally {
    idle.abort();
  }
}

/** The head of an answer. A server that takes the request and never answers is let go. */
export async function fetchHead(
  deps: DownloadDeps,
  url: string,
  { signal, ...init }: RequestInit & { readonly signal: AbortSignal },
): Promise<Response> {
  const cut = new AbortController();
  const head = deps.fetch(url, { ...init, signal: AbortSignal.any([signal, cut.signal]) });
  try {
    return await unlessSilent(head, deps);
  } catch (error) {
    head.catch(() => {});
    // Open, it would hold one of the few connections that a browser has to a host.
    cut.abort();
    throw error;
  }
}
