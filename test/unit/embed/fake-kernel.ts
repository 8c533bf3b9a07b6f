/**
 * A kernel by pretence: a step takes one token, vectors are made of the sequence alone, and memory ends
 * where the test says. What happened is remembered in order.
 */
import { WhorlError } from '../../../src/shared/errors.ts';
import type { Slot } from '../../../workers/embed/kernel-encoder.ts';
import type { Kernel, KernelSettings } from '../../../workers/embed/kernel-source.ts';
import type { ModelTensor } from '../../../workers/embed/manifest.ts';

interface Batch {
  readonly sequences: readonly Int32Array[];
  steps: number;
}

export class FakeKernel implements Kernel {
  readonly identity: string;
  readonly dimension: number;
  /** One entry a call: `begin bulk 3`, `step query`, ... */
  readonly log: string[] = [];
  /** Most tokens of a batch, for each slot. */
  room: { [S in Slot]: number } = {
    query: Number.POSITIVE_INFINITY,
    bulk: Number.POSITIVE_INFINITY,
  };
  /** Most tokens of both slots together. */
  together = Number.POSITIVE_INFINITY;
  /** Called at each step; what it throws, the kernel throws. */
  onStep: (slot: Slot) => void = () => {};
  /** Vector of a sequence. */
  vectorOf: (ids: Int32Array) => readonly number[] = (ids) => [ids[0] ?? -1, ids.length];
  readonly loaded: ModelTensor[] = [];
  lacks: string[] = [];
  closed = 0;
  #trapped = false;
  readonly #batches: { [S in Slot]: Batch | null } = { query: null, bulk: null };

  constructor(settings: Partial<KernelSettings> = {}, dimension = 2) {
    const { variant = 'simd128', precision = 'int8' } = settings;
    this.identity = `minilm/${variant}/${precision}/0123`;
    this.dimension = dimension;
  }

  load(tensor: ModelTensor): void {
    this.loaded.push(tensor);
  }

  missing(): string[] {
    return this.lacks;
  }

  image(): ArrayBuffer {
    return new Uint8Array([1, 2, 3]).buffer;
  }

  begin(slot: Slot, sequences: readonly Int32Array[]): void {
    this.#refuseTrapped();
    const tokens = sequences.reduce((sum, { length }) => sum + length, 0);
    if (this.#batches[slot]) throw new WhorlError('internal', `${slot} is not empty`);
    this.log.push(`begin ${slot} ${sequences.length}`);
    const held = Object.values(this.#batches).flatMap((batch) => batch?.sequences ?? []);
    const all = held.reduce((sum, { length }) => sum + length, tokens);
    if (tokens > this.room[slot] || all > this.together)
      throw new WhorlError('out_of_memory', `no room for ${tokens}`);
    this.#batches[slot] = { sequences, steps: tokens };
  }

  step(slot: Slot): boolean {
    this.#refuseTrapped();
    const batch = this.#batches[slot];
    if (!batch) throw new WhorlError('internal', `${slot} is empty`);
    this.log.push(`step ${slot}`);
    try {
      this.onStep(slot);
    } catch (error) {
      this.#trapped = true;
      throw error;
    }
    batch.steps -= 1;
    return batch.steps <= 0;
  }

  take(slot: Slot): Float32Array<ArrayBuffer> {
    const batch = this.#batches[slot];
    if (!batch || batch.steps > 0) throw new WhorlError('internal', `${slot} is not done`);
    this.#batches[slot] = null;
    return Float32Array.from(batch.sequences.flatMap((ids) => [...this.vectorOf(ids)]));
  }

  cancel(slot: Slot): void {
    this.log.push(`cancel ${slot}`);
    this.#batches[slot] = null;
  }

  close(): void {
    this.closed += 1;
  }

  /** As the real one: after a trap its state is unknown, so it closes itself. */
  #refuseTrapped(): void {
    if (this.#trapped) throw new WhorlError('closed', 'The encoder is closed.');
  }
}
