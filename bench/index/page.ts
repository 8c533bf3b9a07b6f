/** The page: builds both indexes in turns, finds the ef of each, and searches in turns, in one thread. */
import { buildInTurns, type Clock, searchInTurns } from './interleave.ts';
import { type EfSearch, recallOf, type Search, searchTimes, smallestEf } from './measures.ts';
import { exactSearch, OneByOne, OurSide, openAndSearch } from './our-side.ts';
import { loadPeer, openPeerAndSearch, PeerSide } from './peer-side.ts';
import { saveRows } from './saved-rows.ts';
import { measureScale } from './scale-page.ts';
import {
  BAR,
  EF_STEPS,
  EXACT_ROWS,
  type IndexMeasures,
  type IndexSettings,
  LIMIT,
  type OpenMeasures,
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

async function readQueries(dimension: number) {
  const flat = new Float32Array(await fetched('queries.f32'));
  const queries = Array.from({ length: flat.length / dimension }, (_, at) =>
    flat.slice(at * dimension, (at + 1) * dimension),
  );
  return { queries };
}

async function readData(dimension: number): Promise<Data> {
  return {
    rows: new Float32Array(await fetched('rows.f32')),
    ...(await readQueries(dimension)),
    truth: new Int32Array(await fetched('truth.i32')),
  };
}

interface Built {
  readonly ours: OurSide;
  readonly oneByOne: OneByOne;
  readonly peer: PeerSide;
  /** Milliseconds: ours, ours one by one, the peer. */
  readonly spent: readonly [number, number, number];
}

const loadHere = () => loadPeer(new URL('peer/hnswlib.js', location.href).href);

async function timed<T>(work: () => Promise<T>): Promise<readonly [T, number]> {
  const start = clock.now();
  const result = await work();
  return [result, clock.now() - start];
}

/** Loading the peer is not counted; compiling our kernel is. */
async function build({ rows }: Data, { n, dimension }: IndexSettings): Promise<Built> {
  const library = await loadHere();
  const [ours, first] = await timed(() => OurSide.create(rows, dimension, clock));
  const [oneByOne, second] = await timed(() => OneByOne.create(rows, dimension, clock));
  const [peer, third] = await timed(async () => new PeerSide(library, rows, dimension));
  const sides = [ours, oneByOne, peer];
  const [mine = 0, single = 0, theirs = 0] = await buildInTurns(sides, n, SLICES, clock);
  return { ours, oneByOne, peer, spent: [first + mine, second + single, third + theirs] };
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
  const single = (ef: number) => (query: Float32Array) => built.oneByOne.walk(query, ef);
  const one_by_one = sideOf(built.spent[1], findEf('one by one', single, data));
  built.oneByOne.close();
  console.info(`recall ${BAR} at ef ${efs.ours.reached.ef}, ${efs.peer.reached.ef}`);
  const searches = {
    ours: walks.ours(efs.ours.reached.ef),
    peer: walks.peer(efs.peer.reached.ef),
    byDefault: (query: Float32Array) => built.ours.byDefault(query),
    bySigns: (query: Float32Array) => built.ours.sift(query),
    exact: (query: Float32Array) => built.ours.exact(query),
    exact10k: await exactSearch(data.rows, settings.dimension, Math.min(settings.n, EXACT_ROWS)),
  };
  const measured = await measureSearches(searches, data, settings.rounds);
  const { recall } = measured.exact;
  if (recall < LEAST_EXACT) throw new Error(`Recall of the exact scan is ${recall}.`);
  await built.peer.save();
  await saveRows(data.rows, settings.dimension);
  return gather(built, efs, measured, one_by_one);
}

/** In a page of its own, after {@link measure} has saved both. */
async function open({ dimension, n }: IndexSettings, ef: number): Promise<OpenMeasures> {
  const { queries } = await readQueries(dimension);
  const query = queries[0] as Float32Array;
  const library = await loadHere();
  const [theirs, peer_ms] = await timed(() => openPeerAndSearch(library, query, n, ef));
  const [ours, ours_ms] = await timed(() => openAndSearch(query));
  if (ours[0] !== theirs[0]) throw new Error('After opening, the two find another nearest row.');
  return { ours_ms, peer_ms };
}

type Side = 'ours' | 'peer';

const sideOf = (build_ms: number, { ladder, reached }: EfSearch) => ({
  build_ms,
  recall_at_ef: ladder,
  ef: reached.ef,
});

function gather(
  { ours, spent }: Built,
  efs: Readonly<Record<Side, EfSearch>>,
  measured: Readonly<Record<Side | 'byDefault' | 'bySigns' | 'exact' | 'exact10k', SearchMeasures>>,
  one_by_one: IndexMeasures['ours']['one_by_one'],
): IndexMeasures {
  const { byDefault: by_default, bySigns: by_signs, exact, exact10k } = measured;
  const rest = { by_default, by_signs, exact, exact10k, bytes_a_row: ours.bytesARow, one_by_one };
  return {
    ours: { ...sideOf(spent[0], efs.ours), search: measured.ours, ...rest },
    peer: { ...sideOf(spent[2], efs.peer), search: measured.peer },
  };
}

Object.assign(globalThis, { measureIndex: measure, measureOpen: open, measureScale });
