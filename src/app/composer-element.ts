/**
 * `<whorl-composer>`: the question box. Asks, or searches by words while there is no model; Stop
 * while an answer comes. Enter sends, Shift and Enter starts a line, and an input method keeps its
 * own Enter.
 */
import { html, LitElement, nothing, type TemplateResult } from 'lit';
import { icons } from './icons.ts';
import { MAX_QUESTION } from './session.ts';
import { type Ability, abilityOf } from './state.ts';
import { modelBar } from './views/model.ts';
import type { Scene } from './views/scene.ts';

const QUIET_MS = 150;

export class ComposerElement extends LitElement {
  static override properties = { scene: { attribute: false } };
  declare scene: Scene | null;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor() {
    super();
    this.scene = null;
  }

  protected override createRenderRoot(): this {
    return this;
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    clearTimeout(this.#timer);
  }

  protected override render(): TemplateResult | typeof nothing {
    const { scene } = this;
    if (!scene) return nothing;
    const { words, state } = scene;
    const ability = abilityOf(state);
    const note = noteOf(scene, ability);
    return html`<form class="composer" role="search" aria-label=${words.composer.label} @submit=${this.#onSubmit}>
      ${note ? html`<p class="composer-note" id="composer-note">${note}</p>` : nothing}
      ${state.turns.length > 0 && !state.found ? modelBar(scene) : nothing}
      <div class="composer-box">
        <textarea rows="1" name="question" maxlength=${MAX_QUESTION} enterkeyhint="send"
          aria-label=${words.composer.label} placeholder=${words.composer.placeholder}
          aria-describedby=${note ? 'composer-note' : nothing}
          @keydown=${this.#onKey} @input=${this.#onInput}></textarea>
        ${this.#button(scene, ability)}
      </div>
    </form>`;
  }

  /** One button for both, so that the focus stays on it when an answer begins or ends. */
  #button({ words, state }: Scene, ability: Ability): TemplateResult {
    const isRunning = state.running?.state === 'running';
    const word = ability === 'ask' ? words.composer.ask : words.composer.search;
    const icon = ability === 'ask' ? icons.send : icons.search;
    return html`<button class=${isRunning ? 'go stop' : 'go'} type="submit" @click=${this.#onGo}>
      ${isRunning ? icons.stop : icon}<span>${isRunning ? words.composer.stop : word}</span></button>`;
  }

  readonly #onGo = (event: MouseEvent): void => {
    if (this.scene?.session.state.running?.state !== 'running') return;
    // Stopping shows Ask at once: the same press must not send what is in the box.
    event.preventDefault();
    // The second press of a double click on Ask is no wish to stop.
    if (event.detail < 2) this.scene.session.stop();
  };

  readonly #onSubmit = (event: Event): void => {
    event.preventDefault();
    this.#send();
  };

  readonly #onKey = (event: KeyboardEvent): void => {
    if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    this.#send();
  };

  readonly #onInput = (event: InputEvent): void => {
    clearTimeout(this.#timer);
    const { scene } = this;
    if (!scene || event.isComposing || abilityOf(scene.state) === 'ask') return;
    const query = (event.target as HTMLTextAreaElement).value;
    this.#timer = setTimeout(() => void scene.session.search(query), QUIET_MS);
  };

  #send(): void {
    const box = this.querySelector('textarea');
    const question = box?.value.trim() ?? '';
    if (!box || question === '' || !this.scene) return;
    clearTimeout(this.#timer);
    const isAsked = abilityOf(this.scene.state) === 'ask';
    this.scene.ask(question);
    if (isAsked) box.value = '';
  }
}

function noteOf({ words }: Scene, ability: Ability): string {
  if (ability === 'words') return words.composer.byWords;
  return ability === 'read' ? words.composer.readOnly : '';
}
