/** The headers of the site. The page and each worker script carry the same policy. */
import { ProxyError } from './proxy-error.ts';

/**
 * The Content-Security-Policy of the site. A worker that comes from the network has the policy of
 * its own response and not the page's, so every file carries it.
 *
 * @param connect Origins beside our own that the page may fetch from.
 */
export function contentSecurityPolicy(connect: readonly string[] = []): string {
  return [
    "default-src 'none'",
    // WebAssembly may compile; strings may not become code.
    "script-src 'self' 'wasm-unsafe-eval'",
    "worker-src 'self'",
    `connect-src ${["'self'", ...connect].join(' ')}`,
    "img-src 'self' data:",
    "style-src 'self'",
    "font-src 'self'",
    "manifest-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'self'",
    "require-trusted-types-for 'script'",
    'trusted-types whorl lit-html dompurify',
  ].join('; ');
}

/**
 * The origins in `WHORL_CONNECT_SRC`, with spaces or commas between. The build writes them into the
 * page and the server into each header: a browser holds a page to both, so both read this one name.
 * Throws `invalid_option`: anything but an exact origin could change other directives.
 */
export function connectSources(text: string | undefined): string[] {
  const sources = (text ?? '').split(/[\s,]+/).filter((source) => source !== '');
  const wrong = sources.find((source) => !isOrigin(source));
  if (wrong === undefined) return sources;
  const message = `WHORL_CONNECT_SRC must be a list of exact origins, not "${wrong}".`;
  throw new ProxyError('invalid_option', message);
}

function isOrigin(source: string): boolean {
  const url = URL.canParse(source) ? new URL(source) : null;
  if (url === null || !/^(https?|wss?):$/.test(url.protocol)) return false;
  return source === `${url.protocol}//${url.host}`;
}

/** Headers of every answer of the site. */
export function siteHeaders(connect: readonly string[] = []): Record<string, string> {
  return {
    'content-security-policy': contentSecurityPolicy(connect),
    'x-content-type-options': 'nosniff',
    'referrer-policy': 'no-referrer',
    'cross-origin-opener-policy': 'same-origin',
    'permissions-policy': 'camera=(), geolocation=(), microphone=(), payment=(), usb=()',
  };
}
