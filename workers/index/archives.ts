/** Whole collections out of a store and into it. */
import type {
  ArchivedCollection,
  ImportResult,
  ReadOutRequest,
  TakeInRequest,
} from '../../src/shared/archive-types.ts';
import { takeIn } from './archive-in.ts';
import { leftoversJob } from './archive-leftovers.ts';
import { readOut } from './archive-out.ts';
import type { Background } from './background.ts';
import type { CoreCall } from './core.ts';
import type { CallScope } from './endpoints.ts';
import type { Ledger } from './ledger.ts';

export class Archives {
  readonly #scope: (call: CoreCall) => CallScope;
  readonly #changed: () => void;

  /** `changed`: collections came. */
  constructor(scope: (call: CoreCall) => CallScope, changed: () => void) {
    this.#scope = scope;
    this.#changed = changed;
  }

  /** See `archive-out.ts`. Reports the rows that were read, of an unknown total (0). */
  async readOut(
    request: ReadOutRequest,
    call: CoreCall = {},
  ): Promise<readonly ArchivedCollection[]> {
    const scope = this.#scope(call);
    return readOut(scope.ledger.store.storage, request, scope);
  }

  /** See `archive-in.ts`. Reports the rows that were stored. */
  async takeIn(request: TakeInRequest, call: CoreCall = {}): Promise<ImportResult> {
    const result = await takeIn(this.#scope(call), request);
    this.#changed();
    return result;
  }

  /** To be called with the lead in hand. */
  static sweep(ledger: Ledger, background: Background): void {
    background.add('leftovers', leftoversJob(ledger));
  }
}
