/** One generator in front of another that needs neither key nor network. */
import { isWhorlError, WhorlError } from '../../shared/errors.ts';
import type { GenerateOptions, Generation, Generator, Prompt } from '../types.ts';

/** Errors that say "there is no generator to be had now": no key, no network, no proxy. */
const STEP_IN: ReadonlySet<string> = new Set(['no_key', 'network', 'unsupported']);
const UNAVAILABLE = new WhorlError('no_key', 'The proxy has no key; nothing was sent to it.');

export interface FallbackOptions {
  /**
   * What is known beforehand: false where `primary` cannot answer (a proxy said that it has no key).
   * The question and its sources are then not sent for nothing. Default: always tried.
   */
  readonly available?: () => boolean;
}

/**
 * Asks `primary`; where there is no key, no network or no proxy, `offline` answers instead, and the
 * generation says so (`model`, `extractive`, `instead`). Other errors are thrown, and so is any error
 * after the first token: an answer never comes from two generators.
 */
export function fallback(
  primary: Generator,
  offline: Generator,
  options: FallbackOptions = {},
): Generator {
  const unknown = Object.keys(options).find((key) => key !== 'available');
  if (unknown !== undefined)
    throw new WhorlError('invalid_option', `fallback: there is no option "${unknown}".`);
  for (const [name, generator] of Object.entries({ primary, offline })) {
    if (typeof generator?.generate !== 'function')
      throw new WhorlError('invalid_option', `fallback: "${name}" is not a generator.`);
  }
  return {
    name: primary.name,
    extractive: primary.extractive && offline.extractive,
    generate: (prompt, how = {}) =>
      (options.available?.() ?? true)
        ? generate(primary, offline, prompt, how)
        : instead(offline, prompt, how, UNAVAILABLE),
  };
}

async function generate(
  primary: Generator,
  offline: Generator,
  prompt: Prompt,
  options: GenerateOptions,
): Promise<Generation> {
  let shown = false;
  const onToken = (text: string) => {
    shown = true;
    options.onToken?.(text);
  };
  try {
    return await primary.generate(prompt, { ...options, onToken });
  } catch (error) {
    if (shown || !isWhorlError(error) || !STEP_IN.has(error.code)) throw error;
    return instead(offline, prompt, options, error);
  }
}

async function instead(
  offline: Generator,
  prompt: Prompt,
  options: GenerateOptions,
  { code, message }: WhorlError,
): Promise<Generation> {
  const generation = await offline.generate(prompt, options);
  const extractive = generation.extractive ?? offline.extractive;
  return { ...generation, extractive, instead: { code, message } };
}
