/** From a request to a running embedder: facts, choice, and the first backend that starts and is right. */
import { isWhorlError, WhorlError } from '../../src/shared/errors.ts';
import type { EmbedStartRequest, LentModel } from '../../src/shared/types.ts';
import {
  type BackendDeps,
  type BackendOptions,
  BackendStarter,
  type RunningModel,
} from './backends.ts';
import {
  type Attempt,
  type Choice,
  chooseBackends,
  type GpuLike,
  readCapabilities,
} from './choose.ts';
import { Embedder } from './embedder.ts';
import { variantOf } from './kernel-source.ts';

export interface EmbedderDeps extends BackendDeps {
  readonly gpu: GpuLike | undefined;
}

/** Failures of one backend. What else goes wrong, the network above all, goes wrong for every other as well. */
const OWN_FAULT = new Set(['backend_failed', 'backend_wrong', 'out_of_memory', 'unsupported']);

/**
 * Loads a model and starts the best backend that works.
 *
 * @throws WhorlError what downloading throws; `embedder_unavailable` when no backend can be had; for a
 * named backend its own `backend_failed`, `backend_wrong` or `out_of_memory`; for a lent model
 * `invalid_option` or `unsupported`.
 */
export async function startEmbedder(
  request: EmbedStartRequest,
  deps: EmbedderDeps,
  options: BackendOptions,
): Promise<Embedder> {
  const starter = new BackendStarter(request, deps);
  if (request.lent) return startLent(request.lent, request, starter, deps, options);
  // The manifest is asked for while the machine is looked at, where the choice cannot end in nothing.
  const opened = mayNeedNothing(request) ? undefined : starter.open(options);
  opened?.catch(() => {});
  const choice = await choose(request, deps);
  const refused: WhorlError[] = [];
  for (const [index, attempt] of choice.attempts.entries()) {
    try {
      const early = index === 0 ? opened : undefined;
      const running = await starter.start(attempt, options, early);
      const why = [choice.why, ...refused.map(({ message }) => message)].join(' ');
      return embedderOf(starter, deps, running, attempt, why, successors(choice.attempts, index));
    } catch (error) {
      if (!isWhorlError(error) || error.code === 'aborted') throw error;
      if (refused.length === 0 && !OWN_FAULT.has(error.code)) throw error;
      refused.push(error);
    }
  }
  throw unavailable(refused);
}

function mayNeedNothing({ backend, onnx }: EmbedStartRequest): boolean {
  return backend === 'webgpu' || onnx !== undefined;
}

async function choose(request: EmbedStartRequest, deps: EmbedderDeps): Promise<Choice> {
  const facts = await readCapabilities(request, deps.gpu, () => deps.kernels.choose());
  const choice = chooseBackends(facts, request);
  if (choice.attempts.length > 0) return choice;
  throw new WhorlError(
    'embedder_unavailable',
    `${choice.why} "${request.backend}" was asked for by name, so nothing else was tried; ask for "auto".`,
  );
}

/** Of the same attempt list what comes after; a GPU may be started afresh once. */
function successors(attempts: readonly Attempt[], index: number): readonly Attempt[] {
  const [attempt, ...others] = attempts.slice(index);
  return attempt?.backend === 'webgpu' ? [attempt, ...others] : others;
}

async function startLent(
  lent: LentModel,
  request: EmbedStartRequest,
  starter: BackendStarter,
  deps: EmbedderDeps,
  options: BackendOptions,
): Promise<Embedder> {
  const running = await starter.startLent(lent, options);
  const variant = variantOf(lent.kernel) ?? 'simd128';
  const kernel = { variant, why: 'It came from another worker, with the model.' };
  const choice = chooseBackends({ kernel, webgpu: 'unasked', adapter: '' }, request);
  const attempt = { backend: 'wasm', variant } as const;
  return embedderOf(starter, deps, running, attempt, choice.why, successors(choice.attempts, 0));
}

function embedderOf(
  starter: BackendStarter,
  { breathe, now }: EmbedderDeps,
  running: RunningModel,
  attempt: Attempt,
  why: string,
  next: readonly Attempt[],
): Embedder {
  return new Embedder({
    running,
    attempt,
    why: [why, running.note ?? ''].filter(Boolean).join(' '),
    successors: next,
    start: (another, options) => starter.start(another, options),
    breathe,
    now,
  });
}

function unavailable(refused: readonly WhorlError[]): WhorlError {
  const [first] = refused;
  if (refused.length === 1 && first) return first;
  return new WhorlError(
    'embedder_unavailable',
    `No backend can embed here. ${refused.map(({ message }) => message).join(' ')}`,
    { cause: refused.at(-1), retryable: refused.some(({ retryable }) => retryable) },
  );
}
