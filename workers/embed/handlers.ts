/** The embed worker's contract over a holder of embedders; whatever carries the calls. */
import { type Handlers, serve } from '../../src/shared/link.ts';
import type {
  CallContext,
  DownloadProgress,
  EmbedContract,
  EmbedProgress,
  EmbedRequest,
  EmbedResult,
} from '../../src/shared/types.ts';
import type { EmbedderHolder } from './starter.ts';

/** What is served on an attached port. */
type PortContract = Pick<EmbedContract, 'embed' | 'info'>;

export function embedHandlers(holder: EmbedderHolder): Handlers<EmbedContract> {
  let attached: MessagePort | null = null;
  const onPort: Handlers<PortContract> = {
    embed: (request, context) => embed(holder, request, context),
    info: () => holder.current?.info ?? null,
  };
  return {
    ...onPort,
    async start(request, context: CallContext<DownloadProgress>) {
      const embedder = await holder.start(request, {
        signal: context.signal,
        onProgress: (progress) => context.report(progress),
      });
      return embedder.info;
    },
    async tokenize({ texts }, context) {
      return { ids: await holder.running.tokenize(texts, context.signal) };
    },
    lend(_request, context) {
      const lent = holder.running.lend();
      if (lent) {
        const { manifest, tokenizer, image } = lent;
        context.transfer([manifest.buffer, tokenizer.buffer, image]);
      }
      return lent;
    },
    attach({ port }) {
      attached?.close();
      attached = port;
      serve<PortContract>(onPort, port);
    },
  };
}

async function embed(
  holder: EmbedderHolder,
  request: EmbedRequest,
  context: CallContext<EmbedProgress>,
): Promise<EmbedResult> {
  const total = request.texts.length;
  const result = await holder.running.embed(request, {
    signal: context.signal,
    onProgress: (done) => context.report({ done, total }),
  });
  context.transfer([result.vectors.buffer as ArrayBuffer]);
  return result;
}
