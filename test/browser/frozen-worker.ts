/**
 * The index worker, which can be made to stand still: from outside it is as one of a frozen page. It keeps its
 * lock, answers nothing, and hears afterwards all that was said to it meanwhile.
 */
import '../../workers/index/worker.ts';

const line = new BroadcastChannel(`freeze/${self.name}`);
line.onmessage = ({ data }: MessageEvent<number>) => {
  // Shared memory of WebAssembly needs no isolated page, and waiting on it takes no time of the processor.
  const { buffer } = new WebAssembly.Memory({ shared: true, initial: 1, maximum: 1 });
  Atomics.wait(new Int32Array(buffer), 0, 0, data);
};
