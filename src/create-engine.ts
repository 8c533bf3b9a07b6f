/** The engine as a page gets it: options checked, workers started, store open. */
import { Engine } from './engine.ts';
import { checkOptions, type EngineOptions } from './engine-options.ts';

/**
 * Starts the workers and opens the store; the model is downloaded when it is first needed, or by
 * `prepare()`. Throws `invalid_option`, `worker_start_failed`, or what opening the store says.
 */
export async function createEngine(options: EngineOptions = {}): Promise<Engine> {
  const engine = new Engine(checkOptions(options, document.baseURI));
  engine.warm();
  try {
    await engine.open(options.signal ? { signal: options.signal } : {});
    return engine;
  } catch (error) {
    await engine.close();
    throw error;
  }
}
