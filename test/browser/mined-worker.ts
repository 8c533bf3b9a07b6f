/**
 * Workers that carry a mine: a script of a few lines imports the worker's own and, when told, ends it from
 * inside. It also tells of rejections that nobody handled there, which a page never hears of.
 */

/** How a worker ends. `terminate` is from outside, the rest from inside. */
export type Mine = 'terminate' | 'close' | 'crash' | 'hang' | 'block';

/** Stands in a message of its own; Comlink passes over what has no type. */
const SCRIPT = `
addEventListener('message', ({ data }) => {
  switch (data) {
    case 'mine close': return close();
    case 'mine crash': throw new RangeError('the mine went off');
    case 'mine hang': for (;;);
    case 'mine block': {
      const { buffer } = new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true });
      Atomics.wait(new Int32Array(buffer), 0, 0);
    }
  }
});
addEventListener('unhandledrejection', ({ reason }) => {
  new BroadcastChannel('mined complaints').postMessage(String(reason?.stack ?? reason));
});
`;

export class MinedWorkers {
  readonly made: Worker[] = [];
  readonly #script: string;
  /** Makes the n-th worker, from 0, in the place of a mined one; undefined for a mined one. */
  instead: (at: number) => (() => Worker) | undefined = () => undefined;

  constructor(url: URL) {
    this.#script = scriptOf(`import ${JSON.stringify(url.href)};${SCRIPT}`);
  }

  /** What an engine is given as its way to make a worker. */
  readonly make = (): Worker => {
    const at = this.made.length;
    const worker = (this.instead(at) ?? (() => new Worker(this.#script, { type: 'module' })))();
    this.made.push(worker);
    return worker;
  };

  /** Ends the newest worker. */
  blow(mine: Mine): void {
    const worker = this.made.at(-1);
    if (worker === undefined) throw new Error('There is no worker to end.');
    if (mine === 'terminate') worker.terminate();
    else worker.postMessage(`mine ${mine}`);
  }
}

/** The address of a script with that source. */
export function scriptOf(source: BlobPart, type = 'text/javascript'): string {
  return URL.createObjectURL(new Blob([source], { type }));
}

/** Makes a worker in a frame with a content security policy, which a worker from a `blob:` inherits. */
export async function workerUnder(policy: string, url: URL): Promise<() => Worker> {
  const frame = document.createElement('iframe');
  frame.srcdoc = `<!doctype html><meta http-equiv="Content-Security-Policy" content="${policy}">`;
  const loaded = new Promise((resolve) => frame.addEventListener('load', resolve));
  document.body.append(frame);
  await loaded;
  const { contentWindow } = frame as unknown as { contentWindow: Window & typeof globalThis };
  // The blob is the frame's own, so that its policy goes with it.
  const blob = new contentWindow.Blob([`import ${JSON.stringify(url.href)};`], {
    type: 'text/javascript',
  });
  const script = contentWindow.URL.createObjectURL(blob);
  return () => new contentWindow.Worker(script, { type: 'module' });
}

/** Collects what must stay empty: uncaught errors, unhandled rejections (here and in mined workers), console errors. */
export function listenForComplaints(): { readonly said: string[]; stop(): void } {
  const said: string[] = [];
  const channel = new BroadcastChannel('mined complaints');
  channel.onmessage = ({ data }) => said.push(`unhandled in a worker: ${data}`);
  const onError = ({ message }: ErrorEvent) => said.push(`uncaught: ${message}`);
  const onRejection = ({ reason }: PromiseRejectionEvent) => said.push(`unhandled: ${reason}`);
  const { error } = console;
  console.error = (...words: unknown[]) => {
    said.push(`console: ${words.join(' ')}`);
    error(...words);
  };
  addEventListener('error', onError);
  addEventListener('unhandledrejection', onRejection);
  return {
    said,
    stop: () => {
      channel.close();
      console.error = error;
      removeEventListener('error', onError);
      removeEventListener('unhandledrejection', onRejection);
    },
  };
}
