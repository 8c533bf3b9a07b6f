/**
 * hnswlib-wasm as a side of the comparison. Its types are written down here, so that the project
 * compiles where the peers of `bench/package.json` are not installed.
 */
import type { Builder } from './interleave.ts';
import { EF_CONSTRUCTION, LIMIT, M } from './settings.ts';

interface Hnswlib {
  readonly HierarchicalNSW: new (space: 'ip', dimension: number, autoSaveFile: string) => Graph;
}

interface Graph {
  initIndex(mostRows: number, m: number, efConstruction: number, seed: number): void;
  addPoint(point: Float32Array, label: number, replaceDeleted: boolean): void;
  getCurrentCount(): number;
  setEfSearch(ef: number): void;
  searchKnn(query: Float32Array, count: number, filter: undefined): { neighbors: number[] };
  writeIndex(filename: string): Promise<boolean>;
  readIndex(filename: string, mostRows: number): Promise<boolean>;
}

/** The package, and its way between files in memory and IndexedDB. */
interface Package {
  loadHnswlib(): Promise<Hnswlib>;
  syncFileSystem(direction: 'read' | 'write'): Promise<void>;
}

const FILE = 'bench-index.bin';

/** Its documented default. */
const SEED = 100;

export interface Peer extends Hnswlib {
  readonly sync: Package['syncFileSystem'];
}

/** Loads the package from where the page's server keeps it. */
export async function loadPeer(url: string): Promise<Peer> {
  const { loadHnswlib, syncFileSystem } = (await import(url)) as Package;
  const { HierarchicalNSW } = await loadHnswlib();
  return { HierarchicalNSW, sync: syncFileSystem };
}

/** Opens the index that was saved and answers a first query. */
export async function openPeerAndSearch(
  library: Peer,
  query: Float32Array,
  rows: number,
  ef: number,
): Promise<number[]> {
  await library.sync('read');
  const graph = new library.HierarchicalNSW('ip', query.length, '');
  await graph.readIndex(FILE, rows);
  graph.setEfSearch(ef);
  return graph.searchKnn(query, LIMIT, undefined).neighbors;
}

export class PeerSide implements Builder {
  readonly #graph: Graph;
  readonly #rows: Float32Array;
  readonly #dimension: number;
  readonly #library: Peer;

  constructor(library: Peer, rows: Float32Array, dimension: number) {
    this.#graph = new library.HierarchicalNSW('ip', dimension, '');
    this.#graph.initIndex(rows.length / dimension, M, EF_CONSTRUCTION, SEED);
    this.#rows = rows;
    this.#dimension = dimension;
    this.#library = library;
  }

  insertTo(rows: number): void {
    const dimension = this.#dimension;
    for (let row = this.#graph.getCurrentCount(); row < rows; row++) {
      const vector = this.#rows.subarray(row * dimension, (row + 1) * dimension);
      this.#graph.addPoint(vector, row, false);
    }
  }

  /** Nothing is left to do once all rows are in. */
  finish(): void {}

  /** Saves the index for a later page. */
  async save(): Promise<void> {
    await this.#graph.writeIndex(FILE);
    await this.#library.sync('write');
  }

  /** For the searches that follow. */
  setEf(ef: number): void {
    this.#graph.setEfSearch(ef);
  }

  search(query: Float32Array): number[] {
    return this.#graph.searchKnn(query, LIMIT, undefined).neighbors;
  }
}
