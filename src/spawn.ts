/**
 * Starts workers by URL, whatever the host page is: under Trusted Types, and from another origin.
 */
import { WhorlError } from './shared/errors.ts';
import type { Far } from './shared/link.ts';

interface ScriptUrlPolicy {
  createScriptURL(url: string): unknown;
}

interface TrustedTypesFactory {
  createPolicy(name: string, rules: { createScriptURL(url: string): string }): ScriptUrlPolicy;
}

const allowed = new Set<string>();
let policy: ScriptUrlPolicy | null | undefined;

/**
 * The `whorl` policy passes the URLs that {@link spawnWorker} was called with and nothing else. A
 * policy name can be taken once only, so it is made once; null where the platform has no Trusted Types.
 */
function whorlPolicy(): ScriptUrlPolicy | null {
  if (policy !== undefined) return policy;
  const factory = (globalThis as { trustedTypes?: TrustedTypesFactory }).trustedTypes;
  const createScriptURL = (url: string): string => {
    if (!allowed.has(url)) throw new TypeError(`Whorl starts no worker from ${url}.`);
    return url;
  };
  policy = factory?.createPolicy('whorl', { createScriptURL }) ?? null;
  return policy;
}

/**
 * A module worker cannot be constructed from another origin, but a module of one's own origin may
 * import from another: that is what a library served from a CDN needs. Pages that ship the workers
 * themselves never come here, so their CSP needs no `blob:`.
 */
function sameOriginUrl(url: URL): { readonly url: string; readonly done: () => void } {
  if (url.origin === location.origin) return { url: url.href, done: () => {} };
  const source = `import ${JSON.stringify(url.href)};`;
  const blob = URL.createObjectURL(new Blob([source], { type: 'text/javascript' }));
  return { url: blob, done: () => URL.revokeObjectURL(blob) };
}

/** The URL of a script of our own that is no worker of the engine, in the form that Trusted Types want. */
export function trustedScriptUrl(url: URL): string {
  allowed.add(url.href);
  try {
    // `TrustedScriptURL` is not yet among TypeScript's DOM types; where scripts are named, it is a string.
    return (whorlPolicy()?.createScriptURL(url.href) ?? url.href) as string;
  } finally {
    allowed.delete(url.href);
  }
}

/** Starts a module worker; the caller owns it. Throws `worker_start_failed` when the page forbids it. */
export function spawnWorker(url: URL, name: string): Far {
  const script = sameOriginUrl(url);
  allowed.add(script.url);
  try {
    const trusted = whorlPolicy()?.createScriptURL(script.url) ?? script.url;
    const worker = new Worker(trusted as string, { type: 'module', name });
    return {
      endpoint: worker,
      address: url.href,
      end: () => {
        worker.terminate();
        script.done();
      },
    };
  } catch (cause) {
    script.done();
    const message = `The page does not allow the worker ${url.href}; check worker-src and trusted-types of its CSP.`;
    throw new WhorlError('worker_start_failed', message, { cause });
  } finally {
    allowed.delete(script.url);
  }
}
