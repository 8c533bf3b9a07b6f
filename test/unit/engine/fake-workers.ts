/** Embed workers on ports, for what is around them: each does what the test tells it to. */

import { WhorlError } from '../../../src/shared/errors.ts';
import { type Far, serve } from '../../../src/shared/link.ts';
import type { EmbedContract, EmbedderInfo, EmbedStartRequest } from '../../../src/shared/types.ts';
import { vectorsOf } from '../shared/fake-lane.ts';

export const REQUEST: EmbedStartRequest = {
  assets: 'https://inn.example/model/',
  backend: 'auto',
  ort: { wasmModule: 'a', wasmBinary: 'b', webgpuModule: 'c', webgpuBinary: 'd' },
};

export const INFO: EmbedderInfo = {
  model: 'double',
  fingerprint: 'double-1',
  dimension: 2,
  maxTokens: 256,
  backend: 'wasm',
  why: 'It is a double.',
  threads: 1,
  weights: 'int8',
};

export class FakeWorker {
  readonly starts: EmbedStartRequest[] = [];
  readonly texts: string[] = [];
  queries = 0;
  info: EmbedderInfo | null = null;
  ended = false;
  lent = 0;
  readonly #plan: FakeWorkers;
  readonly #port: MessagePort;

  constructor(plan: FakeWorkers, port: MessagePort) {
    this.#plan = plan;
    this.#port = port;
    serve<EmbedContract>(
      {
        start: async (request) => {
          this.starts.push(request);
          this.info = await plan.onStart(request, this);
          return this.info;
        },
        embed: async ({ texts, priority = 'bulk' }, { signal }) => {
          if (priority === 'query') this.queries += 1;
          await plan.onEmbed(this, signal);
          this.texts.push(...texts);
          const fingerprint = this.info?.fingerprint ?? '';
          return { vectors: vectorsOf(texts), dimension: 2, fingerprint, tokens: texts.length };
        },
        tokenize: () => ({ ids: [] }),
        attach: ({ port: attached }) => {
          plan.attached.push(attached);
        },
        lend: () => {
          this.lent += 1;
          return plan.onLend();
        },
        info: () => this.info,
      },
      port,
    );
  }

  /** As when its script throws. */
  crash(): void {
    this.#port.close();
    this.#plan.crash(this);
  }
}

export class FakeWorkers {
  readonly all: FakeWorker[] = [];
  readonly attached: MessagePort[] = [];
  onStart: (
    request: EmbedStartRequest,
    worker: FakeWorker,
  ) => Promise<EmbedderInfo> | EmbedderInfo = ({ backend }) => {
    if (backend === 'webgpu') throw new WhorlError('embedder_unavailable', 'There is no adapter.');
    return INFO;
  };
  onEmbed: (worker: FakeWorker, signal: AbortSignal) => Promise<void> | void = () => {};
  onLend: () => ReturnType<EmbedContract['lend']> = () => ({
    manifest: Uint8Array.of(1),
    tokenizer: Uint8Array.of(2),
    image: Uint8Array.of(3).buffer,
    kernel: 'double kernel',
  });
  readonly #pages = new Map<FakeWorker, MessagePort>();

  get living(): FakeWorker[] {
    return this.all.filter(({ ended }) => !ended);
  }

  readonly spawn = (): Far => {
    const { port1, port2 } = new MessageChannel();
    const worker = new FakeWorker(this, port2);
    this.all.push(worker);
    this.#pages.set(worker, port1);
    return {
      endpoint: port1,
      end: () => {
        worker.ended = true;
        port1.close();
      },
    };
  };

  crash(worker: FakeWorker): void {
    const event = Object.assign(new Event('error'), { message: 'crashed' });
    this.#pages.get(worker)?.dispatchEvent(event);
  }

  close(): void {
    for (const port of this.attached) port.close();
  }
}
