/** The page: builds both indexes in turns, finds the ef of each, and searches in turns, in one thread. */
import { buildInTurns, type Clock, searchInTurns } from './interleave.ts';
import { type EfSearch, recallOf, type Search, searchTimes, smallestEf } from './measures.ts';
import { OurSide } from './our-side.ts';
import { loadPeer, PeerSide } from './peer-side.ts';
import {
  BAR,
  EF_STEPS,
  type IndexMeasures,
  type IndexSettings,
  LIMIT,
  type SearchMeasures,
} from './settings.ts';

const SLICES = 20;
/** An exact scan that agrees with the truth less than this has not seen the same rows. */
const LEAST_EXACT = 0.999;

const clock: Clock = {
  now: () => performance.now(),
  pause: () => new Promise((resolve) => setTimeout(resolve)),
};

interface Data {
  readonly rows: Float32Array;
  readonly queries: readonly Float32Array[];
  readonly truth: Int32Array;
}

async function fetched(name: string): Promise<ArrayBuffer> {
  const response = await fetch(name);
  if (!response.ok) throw new Error(`${name}: HTTP ${response.status}`);
  return response.arrayBuffer();
}

async function readData(dimension: number): Promise<Data> {
  const flat = new Float32Array(await fetched('queries.f32'));
  const queries = Array.from({ length: flat.length / dimension }, (_, at) =>
    flat.slice(at * dimension, (at + 1) * dimension),
  );
  return {
    rows: new Float32Array(await fetched('rows.f32')),
    queries,
    truth: new Int32Array(await fetched('truth.i32')),
  };
}

interface Built {
  readonly ours: OurSide;
  readonly peer: PeerSide;
  /** Milliseconds, ours first. */
  readonly spent: readonly [number, number];
}

/** Loading the peer is not counted; compiling our kernel is. */
async function build({ rows }: Data, { n, dimension }: IndexSettings): Promise<Built> {
  const library = await loadPeer(new URL('peer/hnswlib.js', location.href).href);
  const start = clock.now();
  const ours = await OurSide.create(rows, dimension, clock);
  const between = clock.now();
  const peer = new PeerSide(library, rows, dimension);
  const end = clock.now();
  const [mine = 0, theirs = 0] = await buildInTurns([ours, peer], n, SLICES, clock);
  return { ours, peer, spent: [between - start + mine, end - between + theirs] };
}

/** For each side, searches with a given ef; those of the peer hold until another ef is given. */
function walksOf({ ours, peer }: Built) {
  return {
    ours: (ef: number) => (query: Float32Array) => ours.walk(query, ef),
    peer: (ef: number) => {
      peer.setEf(ef);
      return (query: Float32Array) => peer.search(query);
    },
  };
}

function findEf(side: string, walk: (ef: number) => Search, { queries, truth }: Data): EfSearch {
  const recallAt = (ef: number) => recallOf(walk(ef), queries, truth, LIMIT);
  return smallestEf(side, recallAt, BAR, EF_STEPS);
}

/** Measures a search each, all in turns. */
async function measureSearches<Name extends string>(
  searches: Readonly<Record<Name, Search>>,
  { queries, truth }: Data,
  rounds: number,
): Promise<Record<Name, SearchMeasures>> {
  const entries = Object.entries<Search>(searches);
  const recalls = entries.map(([, search]) => recallOf(search, queries, truth, LIMIT));
  const all = entries.map(([, search]) => search);
  const times = await searchInTurns(all, queries, rounds, clock);
  return Object.fromEntries(
    entries.map(([name], at) => [name, { recall: recalls[at], ...searchTimes(times[at] ?? []) }]),
  ) as Record<Name, SearchMeasures>;
}

async function measure(settings: IndexSettings): Promise<IndexMeasures> {
  if (!crossOriginIsolated) throw new Error('The page is not isolated: its clock is too coarse.');
  const data = await readData(settings.dimension);
  const built = await build(data, settings);
  console.info(`built: ${built.spent.map((ms) => `${(ms / 1000).toFixed(2)} s`).join(', ')}`);
  const walks = walksOf(built);
  const efs = { ours: findEf('ours', walks.ours, data), peer: findEf('peer', walks.peer, data) };
  console.info(`recall ${BAR} at ef ${efs.ours.reached.ef}, ${efs.peer.reached.ef}`);
  const searches = {
    ours: walks.ours(efs.ours.reached.ef),
    peer: walks.peer(efs.peer.reached.ef),
    byDefault: (query: Float32Array) => built.ours.byDefault(query),
    exact: (query: Float32Array) => built.ours.exact(query),
  };
  const measured = await measureSearches(searches, data, settings.rounds);
  const { recall } = measured.exact;
  if (recall < LEAST_EXACT) throw new Error(`Recall of the exact scan is ${recall}.`);
  return gather(built, efs, measured);
}

type Side = 'ours' | 'peer';

function gather(
  { ours, spent }: Built,
  efs: Readonly<Record<Side, EfSearch>>,
  measured: Readonly<Record<Side | 'byDefault' | 'exact', SearchMeasures>>,
): IndexMeasures {
  const side = (name: Side, build_ms: number) => ({
    build_ms,
    recall_at_ef: efs[name].ladder,
    ef: efs[name].reached.ef,
    search: measured[name],
  });
  const { byDefault: by_default, exact } = measured;
  return {
    ours: { ...side('ours', spent[0]), by_default, exact, bytes_a_row: ours.bytesARow },
    peer: side('peer', spent[1]),
  };
}

Object.assign(globalThis, { measureIndex: measure });
