/**
 * `<whorl-records>`: all records as a list with a filter, a form for one's own, and delete in two
 * steps. Holds only what concerns this screen; the records live in the session.
 */
import { html, LitElement, nothing, type TemplateResult } from 'lit';
import { repeat } from 'lit/directives/repeat.js';
import { MAX_LENGTH } from './collection.ts';
import { icons } from './icons.ts';
import { LANGUAGE_NAMES, LANGUAGES } from './language.ts';
import { draftOf, filterRecords } from './records.ts';
import { isIndexed, isReadOnly, type RecordItem } from './state.ts';
import { recordCard } from './views/ask.ts';
import type { Scene } from './views/scene.ts';

export class RecordsElement extends LitElement {
  static override properties = {
    scene: { attribute: false },
    filter: { state: true },
    isAdding: { state: true },
    isSaving: { state: true },
    doomed: { state: true },
  };
  declare scene: Scene | null;
  declare filter: string;
  declare isAdding: boolean;
  declare isSaving: boolean;
  /** Id of the record that is about to be deleted. */
  declare doomed: string | null;

  constructor() {
    super();
    this.scene = null;
    this.filter = '';
    this.isAdding = false;
    this.isSaving = false;
    this.doomed = null;
  }

  protected override createRenderRoot(): this {
    return this;
  }

  protected override render(): TemplateResult | typeof nothing {
    const { scene } = this;
    if (!scene) return nothing;
    const { words, state } = scene;
    const shown = filterRecords(state.records, this.filter);
    return html`<section class="records-view">
      <header class="bar-head">
        <h1>${words.records.title}</h1>
        ${this.#addButton(scene)}
      </header>
      ${this.isAdding ? this.#form(scene) : nothing}
      <div class="filter">
        <label class="field grow"><span class="said">${words.records.filter}</span>
          <input type="search" placeholder=${words.records.filter} .value=${this.filter}
            @input=${(event: Event) => {
              this.filter = (event.target as HTMLInputElement).value;
            }} /></label>
        <p class="meta" role="status">${words.records.count(shown.length, state.records.length)}</p>
      </div>
      ${shown.length === 0 ? html`<p class="empty">${words.records.none}</p>` : nothing}
      <ul class="cards">
        ${repeat(
          shown,
          (record) => record.id ?? record.name,
          (record) =>
            html`<li class="record">${recordCard(scene, record, 2)}${this.#remove(scene, record)}</li>`,
        )}
      </ul>
    </section>`;
  }

  #addButton({ words, state }: Scene): TemplateResult {
    const mayWrite = isIndexed(state) && !isReadOnly(state);
    if (!mayWrite) {
      const why = isIndexed(state) ? words.status.readOnly : words.records.notYet;
      return html`<p class="meta">${why}</p>`;
    }
    return html`<button class="button" aria-expanded=${this.isAdding} @click=${() => this.#toggle()}>
      ${icons.add} ${words.records.add}</button>`;
  }

  #toggle(): void {
    this.isAdding = !this.isAdding;
    const target = this.isAdding ? 'input[name=name]' : '.bar-head button';
    void this.updateComplete.then(() => this.querySelector<HTMLElement>(target)?.focus());
  }

  #form({ words, preferences }: Scene): TemplateResult {
    const line = (name: string, label: string, isRequired: boolean) =>
      html`<label class="field"><span>${label}</span>
        <input name=${name} maxlength=${MAX_LENGTH.line} ?required=${isRequired} autocomplete="off" /></label>`;
    return html`<form class="record-form" @submit=${this.#save}>
      ${line('name', words.records.name, true)}
      ${line('location', words.records.location, false)}
      ${line('famous_visitor', words.records.visitor, false)}
      <label class="field"><span>${words.records.language}</span>
        <select name="lang">${LANGUAGES.map(
          (code) =>
            html`<option value=${code} ?selected=${code === preferences.language}>${LANGUAGE_NAMES[code]}</option>`,
        )}</select></label>
      <label class="field wide"><span>${words.records.description}</span>
        <textarea name="description" rows="4" required maxlength=${MAX_LENGTH.description}></textarea></label>
      <div class="actions wide">
        <button class="button primary" type="submit" ?disabled=${this.isSaving}>
          ${this.isSaving ? words.records.saving : words.records.save}</button>
        <button class="button quiet" type="button" @click=${() => this.#toggle()}>${words.records.cancel}</button>
      </div>
    </form>`;
  }

  readonly #save = async (event: SubmitEvent): Promise<void> => {
    event.preventDefault();
    const form = event.currentTarget as HTMLFormElement;
    const draft = draftOf(new FormData(form));
    if (!draft || this.isSaving || !this.scene) return;
    this.isSaving = true;
    const isStored = await this.scene.session.add(draft);
    this.isSaving = false;
    if (!isStored) return;
    form.reset();
    this.#toggle();
  };

  #remove({ words, session, state }: Scene, record: RecordItem): TemplateResult | typeof nothing {
    const { id } = record;
    if (id === null || !state.engine.store || isReadOnly(state)) return nothing;
    if (this.doomed !== id) {
      return html`<button class="button quiet icon-only remove" data-record=${id}
        aria-label=${words.records.removeNamed(record.name)} title=${words.records.remove}
        @click=${() => this.#doom(id)}>${icons.remove}</button>`;
    }
    return html`<div class="sure">
      <button class="button danger" @click=${() => void session.remove(record)}>${words.records.removeSure}</button>
      <button class="button quiet" @click=${() => this.#doom(null, id)}>${words.records.keep}</button>
    </div>`;
  }

  /** The focus follows: to the safe button first, and back to where it came from. */
  #doom(id: string | null, back?: string): void {
    this.doomed = id;
    const target =
      id === null ? `.remove[data-record="${CSS.escape(back ?? '')}"]` : '.sure .quiet';
    void this.updateComplete.then(() => this.querySelector<HTMLElement>(target)?.focus());
  }
}
