/** Where a packed model lies: what a caller may say, and the address that it means. */
import { WhorlError } from './errors.ts';

/** A Hugging Face repository that holds a packed model with our manifest. */
export interface HuggingFaceAssets {
  /** `owner/name`. */
  readonly huggingFace: string;
  /** A commit (40 hex digits) or a tag. Branches move and are refused: `main`, `master`, `refs/heads/...`. */
  readonly revision: string;
  /** Folder inside the repository. Default: its root. */
  readonly path?: string;
  /** Default `https://huggingface.co`. */
  readonly endpoint?: string;
}

/** A base address (absolute, or relative to the page), or a pinned repository. */
export type AssetsSpec = string | URL | HuggingFaceAssets;

const KNOWN = new Set(['huggingFace', 'revision', 'path', 'endpoint']);
const SEGMENT = /^[A-Za-z0-9_-][A-Za-z0-9._-]*$/;
const MOVING = /^(main|master|head|refs\/.*)$/i;

/**
 * The absolute address, with a trailing slash, under which `manifest.json` lies.
 *
 * @param base Address that a relative one is relative to, usually the page's.
 * @throws WhorlError `invalid_option` that names the option.
 */
export function resolveAssets(spec: AssetsSpec, base: string | URL): string {
  if (typeof spec === 'string' || spec instanceof URL) return folder(String(spec), base, 'assets');
  if (typeof spec !== 'object' || spec === null) {
    throw invalid('assets must be an address or a Hugging Face repository with a revision.');
  }
  for (const key of Object.keys(spec)) {
    if (!KNOWN.has(key)) throw invalid(`Unknown option "${key}" in assets.`);
  }
  const { huggingFace, revision, path = '', endpoint = 'https://huggingface.co' } = spec;
  const id = segments(huggingFace, 'huggingFace');
  if (id.length !== 2) throw invalid('assets.huggingFace must be "owner/name".');
  const inner = path === '' ? [] : segments(path.replace(/\/$/, ''), 'path');
  const parts = [...id, 'resolve', pinned(revision), ...inner];
  return new URL(`${parts.join('/')}/`, folder(endpoint, base, 'assets.endpoint')).href;
}

function folder(address: string, base: string | URL, name: string): string {
  let url: URL;
  try {
    url = new URL(address, base);
  } catch (error) {
    throw invalid(`${name} is not an address: "${address}".`, error);
  }
  if (url.protocol !== 'https:' && url.protocol !== 'http:') {
    throw invalid(`${name} must be an http or https address, not "${url.protocol}".`);
  }
  if (url.search !== '' || url.hash !== '') {
    throw invalid(`${name} must not have a query or a fragment: files are named below it.`);
  }
  if (!url.pathname.endsWith('/')) url.pathname += '/';
  return url.href;
}

function segments(value: unknown, name: string): string[] {
  const parts = typeof value === 'string' ? value.split('/') : [];
  if (parts.length === 0 || !parts.every((part) => SEGMENT.test(part))) {
    throw invalid(`assets.${name} must consist of plain names: "${String(value)}".`);
  }
  return parts;
}

function pinned(revision: unknown): string {
  if (typeof revision !== 'string' || revision === '' || MOVING.test(revision)) {
    throw invalid(
      'assets.revision must be a commit (40 hex digits) or a tag: a branch can change under a running page.',
    );
  }
  if (!SEGMENT.test(revision)) throw invalid(`assets.revision is not a revision: "${revision}".`);
  return revision;
}

function invalid(message: string, cause?: unknown): WhorlError {
  return new WhorlError('invalid_option', message, { cause });
}
