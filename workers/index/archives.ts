/** Whole collections out of a store and into it. */
import type {
  ArchivedCollection,
  ImportResult,
  ReadOutRequest,
  TakeInRequest,
} from '../../src/shared/archive-types.ts';
import { throwIfAborted } from '../../src/shared/errors.ts';
import type { MilvusEnvelope } from '../../src/shared/milvus-types.ts';
import { takeIn } from './archive-in.ts';
import { leftoversJob } from './archive-leftovers.ts';
import { readOut } from './archive-out.ts';
import { IMPORT, parseTakeIn } from './archive-request.ts';
import type { Background } from './background.ts';
import type { CoreCall } from './core.ts';
import type { CallScope } from './endpoints.ts';
import type { Ledger } from './ledger.ts';

type Answer = (endpoint: string, body: unknown, call: CoreCall) => Promise<MilvusEnvelope>;

export class Archives {
  readonly #ledger: Ledger;
  readonly #answer: Answer;

  /** `answer`: makes a call, here or in the tab that leads. */
  constructor(ledger: Ledger, answer: Answer) {
    this.#ledger = ledger;
    this.#answer = answer;
  }

  /** See `archive-out.ts`. Reports the rows that were read, of an unknown total (0). */
  async readOut(
    request: ReadOutRequest,
    call: CoreCall = {},
  ): Promise<readonly ArchivedCollection[]> {
    throwIfAborted(call.signal);
    const { signal, report } = call;
    return readOut(this.#ledger.store.storage, request, { signal, report });
  }

  /** See `archive-in.ts`. Reports the rows that were stored. The tab that leads does it. */
  async takeIn(request: TakeInRequest, call: CoreCall = {}): Promise<ImportResult> {
    const { data } = await this.#answer(IMPORT, request, call);
    // What another tab stored is seen with the next look at the storage.
    if (this.#ledger.role === 'follower') await this.#ledger.view(async () => {});
    return data as ImportResult;
  }

  /** Answers {@link IMPORT} in the tab that leads. */
  static async here(scope: CallScope, body: unknown): Promise<MilvusEnvelope> {
    return { code: 0, data: await takeIn(scope, parseTakeIn(body)) };
  }

  /** To be called with the lead in hand. */
  static sweep(ledger: Ledger, background: Background): void {
    background.add('leftovers', leftoversJob(ledger));
  }
}
