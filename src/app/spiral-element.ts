/**
 * `<whorl-spiral>`: every turn a dot, and a way back to it. One tab stop; arrow keys move along the
 * arm. The text twin is the table of turns.
 */
import { html, LitElement, nothing, type SVGTemplateResult, svg, type TemplateResult } from 'lit';
import type { Vote } from '../loop/types.ts';
import { type SpiralDot, spiralShape } from './spiral.ts';

export interface SpiralTurn {
  readonly id: string;
  readonly hash: string;
  /** Share of sentences with a source, 0..1; null where nothing was checked. */
  readonly share: number | null;
  readonly vote: Vote;
  readonly label: string;
}

const MOVES: { readonly [key: string]: (at: number, last: number) => number } = {
  ArrowRight: (at) => at + 1,
  ArrowDown: (at) => at + 1,
  ArrowLeft: (at) => at - 1,
  ArrowUp: (at) => at - 1,
  Home: () => 0,
  End: (_, last) => last,
};

export class SpiralElement extends LitElement {
  static override properties = {
    turns: { attribute: false },
    current: { attribute: false },
    isRunning: { attribute: false },
    label: { attribute: false },
  };
  declare turns: readonly SpiralTurn[];
  /** Id of the turn that is shown. */
  declare current: string | null;
  declare isRunning: boolean;
  declare label: string;

  constructor() {
    super();
    this.turns = [];
    this.current = null;
    this.isRunning = false;
    this.label = '';
  }

  protected override createRenderRoot(): this {
    return this;
  }

  protected override render(): TemplateResult {
    const shape = spiralShape(this.turns.map((turn) => turn.share));
    return html`<svg class="spiral" viewBox="-140 -140 280 280" role="group" aria-label=${this.label} @keydown=${this.#onKey}>
      <path class="arm" d=${shape.arm} />
      ${this.turns.map((turn, index) => this.#dot(turn, shape.dots[index], index))}
      ${this.isRunning ? svg`<circle class="pending" cx=${shape.next.x} cy=${shape.next.y} r=${shape.next.radius} />` : nothing}
    </svg>`;
  }

  #dot(turn: SpiralTurn, dot: SpiralDot | undefined, index: number): SVGTemplateResult | symbol {
    if (!dot) return nothing;
    const isLast = index === this.turns.length - 1;
    const isCurrent = turn.id === this.current;
    const isStop = this.current === null || !this.turns.some((one) => one.id === this.current);
    const classes = ['dot', turn.vote ?? 'unrated', isLast ? 'last' : ''].join(' ');
    return svg`<a class=${classes} href=${turn.hash} tabindex=${isCurrent || (isStop && isLast) ? 0 : -1}
        aria-label=${turn.label} aria-current=${isCurrent ? 'true' : nothing}>
      <title>${turn.label}</title>
      <circle class="reach" cx=${dot.x} cy=${dot.y} r=${dot.reach} />
      <circle class="body" cx=${dot.x} cy=${dot.y} r=${dot.radius} />
      ${turn.vote === 'down' ? svg`<path class="sign" d=${minus(dot)} />` : nothing}
      ${turn.vote === 'up' ? svg`<path class="sign" d=${tick(dot)} />` : nothing}
    </a>`;
  }

  readonly #onKey = (event: KeyboardEvent): void => {
    const move = MOVES[event.key];
    if (!move || event.altKey || event.ctrlKey || event.metaKey) return;
    const dots: Element[] = [...this.querySelectorAll('a.dot')];
    const at = document.activeElement ? dots.indexOf(document.activeElement) : -1;
    const next = dots[Math.min(dots.length - 1, Math.max(0, move(at, dots.length - 1)))];
    if (at < 0 || !(next instanceof SVGAElement)) return;
    event.preventDefault();
    next.focus();
  };
}

/** A sign inside a dot, so that a rating is not told by colour alone. */
function tick({ x, y, radius }: SpiralDot): string {
  const r = radius * 0.42;
  return `M${x - r} ${y}l${r * 0.7} ${r * 0.7}l${r * 1.2} ${-r * 1.4}`;
}

function minus({ x, y, radius }: SpiralDot): string {
  const r = radius * 0.42;
  return `M${x - r} ${y}h${2 * r}`;
}
