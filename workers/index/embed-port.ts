/**
 * The embed worker over a port of our own, so that text does not visit the page. The newest port
 * replaces an older one, whose pending calls reject; without a port calls reject at once.
 */
import { isWhorlError, WhorlError } from '../../src/shared/errors.ts';
import { Link } from '../../src/shared/link.ts';
import type {
  CallOptions,
  EmbedContract,
  EmbedProgress,
  EmbedRequest,
  EmbedResult,
} from '../../src/shared/types.ts';
import type { CoreEmbedder } from './embedder.ts';

type PortContract = Pick<EmbedContract, 'embed' | 'info'>;

/** Between two batches of texts, or before the first: a cold WebGPU pipeline takes long. */
const EMBED_DEADLINE_MS = 60_000;

export class EmbedPort implements CoreEmbedder {
  #link: Link<PortContract> | null = null;

  /** Takes a port; resolves with the fingerprint of the model behind it, null before one runs. */
  async connect(port: MessagePort): Promise<string | null> {
    this.#link?.close();
    let fresh = true;
    const link = new Link<PortContract>({
      name: 'embed worker',
      spawn: () => {
        // A port cannot be made anew from this side; the page brings the next one.
        if (!fresh) throw unavailable();
        fresh = false;
        return { endpoint: port, end: () => port.close() };
      },
    });
    this.#link = link;
    const info = await link.call('info', {}, {});
    return info?.fingerprint ?? null;
  }

  async embed(
    request: EmbedRequest,
    options: Parameters<CoreEmbedder['embed']>[1],
  ): Promise<EmbedResult> {
    if (this.#link === null) throw unavailable();
    const { signal, onProgress } = options;
    const how: CallOptions<EmbedProgress> = {
      deadlineMs: EMBED_DEADLINE_MS,
      onProgress: ({ done }) => onProgress?.(done),
      ...(signal === undefined ? {} : { signal }),
    };
    try {
      return await this.#link.call('embed', request, how as CallOptions<never>);
    } catch (error) {
      // The port was replaced, or what was behind it died: the same call works on the next port.
      const gone = isWhorlError(error) && ['closed', 'worker_lost'].includes(error.code);
      throw gone ? unavailable(error) : error;
    }
  }

  close(): void {
    this.#link?.close();
    this.#link = null;
  }
}

function unavailable(cause?: unknown): WhorlError {
  return new WhorlError(
    'embedder_unavailable',
    'No model is connected, so text cannot become vectors. Nothing was changed; start the model and try again.',
    { retryable: true, cause },
  );
}
