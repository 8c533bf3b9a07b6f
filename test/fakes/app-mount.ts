/**
 * The app on a test page, over the engine in memory.
 */
import { AnswerElement } from '../../src/app/answer-element.ts';
import { AppElement } from '../../src/app/app-element.ts';
import { ComposerElement } from '../../src/app/composer-element.ts';
import type { LanguageCode } from '../../src/app/language.ts';
import type { Memo } from '../../src/app/ports.ts';
import { RecordsElement } from '../../src/app/records-element.ts';
import { sampleRecords } from '../../src/app/sample/sample.ts';
import { Session } from '../../src/app/session.ts';
import { SpiralElement } from '../../src/app/spiral-element.ts';
import type { Generator } from '../../src/loop/types.ts';
import { WhorlError } from '../../src/shared/errors.ts';
import { FakeEngine, type FakeScript } from './app-engine.ts';

const ELEMENTS = {
  'whorl-answer': AnswerElement,
  'whorl-spiral': SpiralElement,
  'whorl-composer': ComposerElement,
  'whorl-records': RecordsElement,
  'whorl-app': AppElement,
} as const;

const GENERATOR: Generator = {
  name: 'none',
  extractive: true,
  generate: () => Promise.reject(new WhorlError('unsupported', 'Not called by the fake loop.')),
};

export interface MountOptions {
  readonly language: LanguageCode;
  readonly theme: 'light' | 'dark' | 'system';
  /** The model stays on its way. */
  readonly isWaiting?: boolean;
  readonly script?: Partial<FakeScript>;
}

export interface Mounted {
  readonly app: AppElement;
  readonly session: Session;
  readonly engine: FakeEngine;
  /** Goes to an address and waits until it is shown. */
  readonly show: (hash: string) => Promise<void>;
  readonly breakModel: () => void;
  readonly unmount: () => Promise<void>;
}

/** Long enough for promises, a picture, and the app's own timers. */
export const settle = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 60));

const ANSWER: FakeScript = {
  answer: (_, hits) => [
    `**${String(hits[0]?.row.name)}** is the place [1]. `,
    'So is the next one [2]. ',
    'Both stay open all night.',
  ],
  unsupported: (sentence) => sentence.includes('all night'),
};

export async function mountApp(options: MountOptions): Promise<Mounted> {
  for (const [name, element] of Object.entries(ELEMENTS)) {
    if (!customElements.get(name)) customElements.define(name, element);
  }
  history.replaceState(null, '', '#ask');
  const engine = new FakeEngine({ ...ANSWER, ...options.script });
  let breakModel = (): void => {};
  if (options.isWaiting) {
    engine.prepared = new Promise((_, reject) => {
      breakModel = () => reject(new WhorlError('network', 'The network did not answer.'));
    });
  }
  const session = sessionOver(engine, options);
  const app = new AppElement();
  app.session = session.session;
  app.memo = session.memo;
  document.body.append(app);
  const started = session.session.start();
  if (!options.isWaiting) await started;
  await settle();
  return {
    app,
    session: session.session,
    engine,
    breakModel: () => breakModel(),
    show: async (hash) => {
      location.hash = hash;
      await settle();
    },
    unmount: async () => {
      app.remove();
      await session.session.close();
      history.replaceState(null, '', '#ask');
    },
  };
}

function sessionOver(
  engine: FakeEngine,
  { language, theme }: MountOptions,
): { readonly session: Session; readonly memo: Memo } {
  const memory = new Map([
    ['whorl.language', language],
    ['whorl.theme', theme],
  ]) as Map<string, string>;
  const memo: Memo = {
    read: (key) => memory.get(key) ?? null,
    write: (key, value) => void memory.set(key, value),
  };
  const session = new Session({
    startEngine: async () => engine,
    sample: sampleRecords,
    generator: GENERATOR,
    probe: async () => 'no_key',
    memo,
    room: async () => ({ usedBytes: 31e6, quotaBytes: 2e9, persisted: false }),
    persist: async () => false,
    keepSite: async () => true,
    frame: (callback) => void requestAnimationFrame(callback),
    later: (callback, ms) => void setTimeout(callback, ms),
  });
  return { session, memo };
}
