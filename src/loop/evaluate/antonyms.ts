/** Words that turn a sentence around when one stands for the other. Each line: one side | other side. */
import { stemOf } from './english-words.ts';

const PAIRS = `
increase increases increased increasing rise rises rose risen rising grow grows grew growing growth gain gains | decrease decreases decreased decreasing fall falls fell fallen falling decline declines declined reduce reduces reduced reduction drop drops dropped shrink loss
high higher highest | low lower lowest
large larger largest big bigger biggest great greater greatest | small smaller smallest little tiny less least
more most | less least fewer fewest
long longer longest | short shorter shortest
fast faster quick quicker rapid rapidly | slow slower slowly
hot hotter warm warmer heat heated heating | cold colder cool cooler cooled cooling
strong stronger | weak weaker
thick thicker | thin thinner
wide wider broad | narrow narrower
deep deeper | shallow
heavy heavier | light lighter
hard harder | soft softer easy easier
early earlier | late later
old older ancient | new newer young younger modern
open opens opened opening | close closes closed closing shut shuts
begin begins began start starts started | end ends ended stop stops stopped finish finished
first | last
before prior | after subsequent
above over | below under beneath
up upward upwards upper | down downward downwards lower
inside inner indoor indoors internal interior | outside outer outdoor outdoors external exterior
front forward leading | back rear backward trailing
left | right
north northern | south southern
east eastern | west western
day daytime morning | night nighttime evening
summer | winter
always ever | never
all every everyone everybody | none no nobody
many several numerous | few
often frequently frequent usually | rarely rare seldom infrequent
common usual | rare unusual uncommon
positive positively | negative negatively
maximum maximal | minimum minimal
good better best | bad worse worst poor
rich wealthy | poor
cheap cheaper inexpensive | expensive dear costly
free | paid
safe safely | dangerous unsafe
true correct right | false wrong incorrect
possible | impossible
present presence | absent absence
normal | abnormal
stable stability | unstable instability
steady | unsteady
linear | nonlinear
laminar | turbulent
compressible | incompressible
subsonic | supersonic
supersonic | hypersonic
symmetric symmetrical | asymmetric asymmetrical
uniform | nonuniform
equal | unequal
similar same alike | different dissimilar
effective | ineffective
sufficient | insufficient
adequate | inadequate
active | inactive passive
known | unknown
like | unlike
agree agrees agreed agreement | disagree disagrees disagreement
accept accepts accepted | reject rejects rejected refuse refuses refused
allow allows allowed permit permits | forbid forbids forbidden prohibit prohibited ban banned
succeed succeeds success successful | fail fails failed failure
improve improves improved improvement | worsen worsens impair impairs impaired deteriorate
accelerate accelerates acceleration | decelerate decelerates deceleration retard
enhance enhances enhanced promote promotes | inhibit inhibits inhibited suppress suppresses suppressed hinder
include includes included including | exclude excludes excluded excluding
add adds added addition | remove removes removed removal subtract
arrive arrives arrived enter enters entered | leave leaves left depart departs exit
win wins won | lose loses lost
buy buys bought | sell sells sold
lend lends lent | borrow borrows borrowed
push pushes | pull pulls
love loves loved like likes | hate hates hated
remember remembers | forget forgets forgot
live lives lived alive | die dies died dead
birth born | death died
full | empty
wet damp | dry
clean | dirty
quiet silent | loud noisy
bright light | dark dim
sweet | bitter sour
male man men | female woman women
husband | wife
king | queen
father | mother
son | daughter
brother | sister
boy boys | girl girls
maternal | paternal fetal
acute | chronic
benign | malignant
upstream | downstream
ascending ascend | descending descend
expand expands expansion | contract contracts contraction compression
simple | complex complicated
smooth | rough
sharp | blunt dull
public | private
major | minor
majority | minority
advantage advantages | disadvantage disadvantages
victory | defeat
friend friends | enemy enemies
peace | war
`;

const OPPOSITES: ReadonlyMap<string, ReadonlySet<string>> = readPairs();

function readPairs(): ReadonlyMap<string, ReadonlySet<string>> {
  const opposites = new Map<string, Set<string>>();
  const oppose = (word: string, other: string): void => {
    opposites.set(word, (opposites.get(word) ?? new Set()).add(other));
  };
  for (const line of PAIRS.trim().split('\n')) {
    const [left = [], right = []] = line.split('|').map((side) => side.trim().split(/\s+/));
    for (const a of left.map(stemOf)) {
      for (const b of right.map(stemOf)) {
        oppose(a, b);
        oppose(b, a);
      }
    }
  }
  return opposites;
}

/** Neighbours on each side that tell which of two occurrences a word answers to. */
const REACH = 2;

/**
 * The first word of the claim that stands where the source has its opposite: the words around it fit
 * an occurrence of the opposite better than any occurrence of the word itself. Null when there is none.
 * @param claim Stems of the claim, in order.
 * @param source Stems of each source sentence, in order.
 */
export function findFlip(
  claim: readonly string[],
  source: readonly (readonly string[])[],
): { readonly said: string; readonly opposite: string } | null {
  for (const [at, said] of claim.entries()) {
    const opposites = OPPOSITES.get(said);
    if (opposites === undefined) continue;
    const same = fitOf(claim, at, source, (stem) => stem === said);
    // A claim may say both: "from a low to a high speed".
    const other = fitOf(claim, at, source, (stem) => opposites.has(stem));
    if (other.fit > same.fit) return { said, opposite: other.stem };
  }
  return null;
}

/** How many neighbours of `claim[at]` stand around the best occurrence that `wanted` takes; -1 without one. */
function fitOf(
  claim: readonly string[],
  at: number,
  source: readonly (readonly string[])[],
  wanted: (stem: string) => boolean,
): { readonly fit: number; readonly stem: string } {
  const around = neighbours(claim, at);
  let best = { fit: -1, stem: '' };
  for (const stems of source) {
    for (const [i, stem] of stems.entries()) {
      if (!wanted(stem)) continue;
      const fit = [...neighbours(stems, i)].filter((one) => around.has(one)).length;
      if (fit > best.fit) best = { fit, stem };
    }
  }
  return best;
}

function neighbours(stems: readonly string[], at: number): Set<string> {
  return new Set([
    ...stems.slice(Math.max(0, at - REACH), at),
    ...stems.slice(at + 1, at + 1 + REACH),
  ]);
}
