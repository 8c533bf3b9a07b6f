/** Reading untrusted JSON field by field: each value is checked, bounded and named when it is wrong. */
import { WhorlError } from '../../src/shared/errors.ts';

/** Refuses the manifest. @throws WhorlError `asset_corrupt`. */
export function refuse(why: string, cause?: unknown): never {
  throw new WhorlError(
    'asset_corrupt',
    `manifest.json is not the manifest of a packed model: ${why}. Nothing was kept of it; check the address of the model, or pack it again.`,
    { cause },
  );
}

export function asRecord(value: unknown, name: string): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    return refuse(`${name} is not an object`);
  }
  return value as Record<string, unknown>;
}

export function asList(value: unknown, most: number, name: string): unknown[] {
  if (!Array.isArray(value)) return refuse(`${name} is not a list`);
  if (value.length > most) return refuse(`${name} has ${value.length} entries, at most ${most}`);
  return value;
}

/** Text of at least one and at most `most` characters. */
export function asText(value: unknown, name: string, most: number): string {
  if (typeof value !== 'string' || value.length === 0 || value.length > most) {
    return refuse(`${name} is not a text of 1 to ${most} characters`);
  }
  return value;
}

export function asInteger(value: unknown, least: number, most: number, name: string): number {
  if (typeof value !== 'number' || !Number.isInteger(value) || value < least || value > most) {
    return refuse(`${name} is not a whole number from ${least} to ${most}`);
  }
  return value;
}

export function asOneOf<const T>(value: unknown, allowed: readonly T[], name: string): T {
  if (!allowed.includes(value as T)) return refuse(`${name} is none of ${allowed.join(', ')}`);
  return value as T;
}

/** A SHA-256 in lower-case hex. */
export function asDigest(value: unknown, name: string): string {
  if (typeof value !== 'string' || !/^[0-9a-f]{64}$/.test(value)) {
    return refuse(`${name} is not a SHA-256`);
  }
  return value;
}

/** A relative path of plain segments: no `..`, no scheme, no query, nothing that a URL would decode. */
export function asPath(value: unknown, name: string): string {
  const path = asText(value, name, 200);
  const plain = path.split('/').every((part) => /^[A-Za-z0-9_-][A-Za-z0-9._-]*$/.test(part));
  if (!plain) return refuse(`${name} is not a plain relative path`);
  return path;
}

/** Base64 as bytes in a buffer of their own. */
export function asBytes(value: unknown, name: string): Uint8Array<ArrayBuffer> {
  const text = asText(value, name, 1 << 20);
  try {
    return Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
  } catch (error) {
    return refuse(`${name} is not base64`, error);
  }
}
