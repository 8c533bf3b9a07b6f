/** SHA-256 as lower-case hex, by the platform. */
import { WhorlError } from '../../src/shared/errors.ts';

/**
 * @throws WhorlError `unsupported` on a page without a secure context, where the platform has no digest.
 */
export async function sha256(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  const subtle = globalThis.crypto?.subtle;
  if (!subtle) {
    throw new WhorlError(
      'unsupported',
      'The model cannot be verified, because this page is not a secure context. Serve it over https, or from localhost.',
    );
  }
  const digest = new Uint8Array(await subtle.digest('SHA-256', bytes));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, '0')).join('');
}
