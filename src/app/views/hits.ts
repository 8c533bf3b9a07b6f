/**
 * Hits: each a source with its number, one score and one bar of its parts, and why feedback moved it.
 */
import { html, nothing, svg, type TemplateResult } from 'lit';
import type { Hit, ScoreParts, Vote, Why } from '../../loop/types.ts';
import { recordOf } from '../collection.ts';
import { icons } from '../icons.ts';
import { LANGUAGE_TAGS } from '../language.ts';
import type { CitationTarget } from '../marks.ts';
import type { TurnItem } from '../state.ts';
import type { Scene } from './scene.ts';

const BAR = { width: 104, height: 6 } as const;
/** Score that fills the bar: similarity 1 and all words. */
const FULL = 1.3;

/** Element id of a source on the Ask screen. */
export const sourceId = (n: number): string => `source-${n}`;

/** Names and places for citation marks, by the numbers of these hits. */
export function citationTargets(
  { words }: Scene,
  hits: readonly Hit[],
): (n: number) => CitationTarget {
  return (n) => {
    const hit = hits[n - 1];
    if (!hit) return { hash: null, label: words.turn.citationMissing(n) };
    return { hash: `#${sourceId(n)}`, label: words.turn.citation(n, recordOf(hit.row).name) };
  };
}

/** `item` is null while the turn is running: then there is nothing to rate yet. */
export function hitList(scene: Scene, hits: readonly Hit[], item: TurnItem | null): TemplateResult {
  const { words } = scene;
  const hasLearnt = hits.some((hit) => hit.parts.learnt !== 0);
  return html`<section class="sources" aria-labelledby="sources-title">
    <header>
      <h2 id="sources-title">${words.turn.sources}</h2>
      <p class="legend" aria-hidden="true">
        <span class="key similarity">${words.hit.similarity}</span>
        <span class="key words">${words.hit.words}</span>
        ${hasLearnt ? html`<span class="key learnt">${words.hit.learnt}</span>` : nothing}
      </p>
    </header>
    <ol class="hits">
      ${hits.map((hit, index) => hitView(scene, hit, index + 1, item))}
    </ol>
  </section>`;
}

function hitView(scene: Scene, hit: Hit, n: number, item: TurnItem | null): TemplateResult {
  const { words, format, session } = scene;
  const record = recordOf(hit.row);
  const opened = (event: Event): void => {
    if (item && (event.target as HTMLDetailsElement).open) session.openHit(item.turn.id, hit.id);
  };
  return html`<li class="hit" id=${sourceId(n)} tabindex="-1">
    <span class="number" aria-hidden="true">${n}</span>
    <h3 lang=${LANGUAGE_TAGS[record.lang]}>${record.name}<span class="place">${record.location}</span></h3>
    <div class="score">
      <span class="said">${words.hit.score('')}</span><b>${format.score(hit.score)}</b>
      ${partsBar(hit.parts)}
      <span class="said">${partsText(scene, hit.parts)}</span>
    </div>
    <div class="body">
      <details class="text" lang=${LANGUAGE_TAGS[record.lang]} @toggle=${opened}>
        <summary><span class="clamp">${record.description}</span><span class="more" lang=${LANGUAGE_TAGS[scene.preferences.language]}><span class="when-shut">${words.hit.more}</span><span class="when-open">${words.hit.less}</span></span></summary>
      </details>
      ${
        record.famous_visitor === ''
          ? nothing
          : html`<p class="visitor">${words.hit.visitor} <span lang=${LANGUAGE_TAGS[record.lang]}>${record.famous_visitor}</span></p>`
      }
      ${whyLine(scene, hit)}
    </div>
    ${item ? rateHit(scene, item, hit.id, record.name) : nothing}
  </li>`;
}

/**
 * Why feedback moved a hit. Nothing where the past question speaks for the other direction, as when a
 * record that was left rises with what lies close to it: the sentence would contradict itself.
 */
function whyLine(scene: Scene, { id, why }: Hit): TemplateResult | typeof nothing {
  if (!why) return nothing;
  const rated = isRated(scene, id, why);
  const isAgainst = why.liked ? why.places < 0 : why.places > 0;
  if (isAgainst || (why.places === 0 && !rated)) return nothing;
  const text = scene.words.hit.why({ ...why, isRated: rated });
  return html`<p class="why">${icons.learning}<span>${text}</span></p>`;
}

/**
 * Whether a person said this of this record. A record also rises for being close to a liked one or for
 * having been opened, and falls for having been left: that is no rating, and is not called one.
 */
function isRated({ state }: Scene, id: string, { turnId, liked }: Why): boolean {
  const past = state.turns.find(({ turn }) => turn.id === turnId);
  if (!past) return false;
  const wanted = liked ? 'up' : 'down';
  const isCited = past.turn.citations.some((citation) => citation.id === id);
  return past.hitVotes[id] === wanted || (isCited && past.vote === wanted);
}

function rateHit(scene: Scene, item: TurnItem, id: string, name: string): TemplateResult {
  const { words, session } = scene;
  const vote = item.hitVotes[id] ?? null;
  return thumbs(
    scene,
    vote,
    words.rate.hit(name),
    (next) => void session.rateHit(item.turn.id, id, next),
  );
}

/** Two buttons; pressing the pressed one takes the vote back. */
export function thumbs(
  { words }: Scene,
  vote: Vote,
  label: string,
  set: (vote: Vote) => void,
): TemplateResult {
  const button = (value: 'up' | 'down', text: string) =>
    html`<button class="thumb ${value}" aria-pressed=${vote === value} aria-label=${text} title=${text}
      @click=${() => set(vote === value ? null : value)}>${icons[value]}</button>`;
  return html`<div class="rate" role="group" aria-label=${label}>
    ${button('up', words.rate.helpful)}${button('down', words.rate.notHelpful)}
  </div>`;
}

/** The parts as one bar. What was learnt against a hit is drawn hollow, from the right end back. */
function partsBar({ similarity, words, learnt }: ScoreParts): TemplateResult {
  const scale = (part: number) => (Math.max(0, part) / FULL) * BAR.width;
  const first = scale(similarity);
  const second = scale(words);
  const third = (Math.abs(learnt) / FULL) * BAR.width;
  const end = first + second;
  const learntAt = learnt < 0 ? Math.max(0, end - third) : end;
  return html`<svg class="bar" viewBox="0 0 ${BAR.width} ${BAR.height}" aria-hidden="true" focusable="false">
    <rect class="track" width=${BAR.width} height=${BAR.height} rx="3" />
    ${svg`<rect class="similarity" width=${first} height=${BAR.height} rx="1" />
      <rect class="words" x=${first} width=${second} height=${BAR.height} rx="1" />
      <rect class=${learnt < 0 ? 'unlearnt' : 'learnt'} x=${learntAt} width=${third} height=${BAR.height} rx="1" />`}
  </svg>`;
}

function partsText({ words, format }: Scene, parts: ScoreParts): string {
  const part = (name: string, value: number) => `${name} ${format.score(value)}`;
  return [
    part(words.hit.similarity, parts.similarity),
    part(words.hit.words, parts.words),
    part(words.hit.learnt, parts.learnt),
  ].join(', ');
}
