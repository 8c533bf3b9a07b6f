/**
 * From one format to the next, inside the `versionchange` transaction: whole or not at all. What a
 * migration throws aborts it, and the storage stays as it was. Work on many rows does not belong here.
 */
import { STORE_NAMES } from './storage.ts';

/** Version of the stores and of what lies in them; see docs/storage-format.md. */
export const FORMAT_VERSION = 1;

export interface UpgradeStep {
  readonly database: IDBDatabase;
  readonly transaction: IDBTransaction;
  /** 0: there was no database. */
  readonly from: number;
  readonly to: number;
}

/** Waits for requests of the step's transaction only. */
export type Upgrade = (step: UpgradeStep) => void | Promise<void>;

export const upgrade: Upgrade = ({ database, from }) => {
  if (from < 1) for (const store of STORE_NAMES) database.createObjectStore(store);
};
