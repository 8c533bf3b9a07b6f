/**
 * `<whorl-app>`: joins the session with the views. Owns what belongs to the page and not to the
 * loop: the address, the language, the theme, where the focus goes, and what is said aloud.
 */
import { html, LitElement, nothing, type TemplateResult } from 'lit';
import { formatFor } from './format.ts';
import { LANGUAGE_TAGS, pickLanguage } from './language.ts';
import { messagesFor } from './messages/messages.ts';
import type { Memo } from './ports.ts';
import { parseRoute, type Route, turnHash } from './route.ts';
import type { Notice, Session } from './session.ts';
import type { Preferences } from './state.ts';
import { draftText, type Scene, verdictText } from './views/scene.ts';
import { shellView } from './views/shell.ts';

const LANGUAGE_KEY = 'whorl.language';
const THEME_KEY = 'whorl.theme';

export class AppElement extends LitElement {
  static override properties = {
    session: { attribute: false },
    memo: { attribute: false },
    said: { state: true },
    preferences: { state: true },
    route: { state: true },
  };
  declare session: Session | null;
  declare memo: Memo | null;
  /** What the polite status region says. */
  declare said: string;
  declare preferences: Preferences;
  declare route: Route;

  #hadFound = false;
  #hadFocus = false;

  constructor() {
    super();
    this.session = null;
    this.memo = null;
    this.said = '';
    this.preferences = { language: 'en', theme: 'system' };
    this.route = parseRoute(location.hash);
  }

  protected override createRenderRoot(): this {
    return this;
  }

  override connectedCallback(): void {
    super.connectedCallback();
    this.#apply(remembered(this.memo));
    this.session?.addEventListener('change', this.#onChange);
    this.session?.addEventListener('notice', this.#onNotice);
    window.addEventListener('hashchange', this.#onHash);
    this.addEventListener('click', this.#onClick);
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.session?.removeEventListener('change', this.#onChange);
    this.session?.removeEventListener('notice', this.#onNotice);
    window.removeEventListener('hashchange', this.#onHash);
    this.removeEventListener('click', this.#onClick);
  }

  protected override willUpdate(): void {
    this.#hadFocus = this.contains(document.activeElement);
  }

  /** What was pressed may be gone with what it did: the keyboard goes on from the content, not from the top. */
  protected override updated(): void {
    const isLost = this.#hadFocus && document.activeElement === document.body;
    if (isLost) this.querySelector<HTMLElement>('main')?.focus({ preventScroll: true });
  }

  protected override render(): TemplateResult | typeof nothing {
    const scene = this.#scene();
    if (!scene) return nothing;
    return html`${shellView(scene)}<p class="said" role="status">${this.said}</p>`;
  }

  #scene(): Scene | null {
    const { session, preferences, route } = this;
    if (!session) return null;
    return {
      state: session.state,
      session,
      words: messagesFor(preferences.language),
      format: formatFor(preferences.language),
      route,
      preferences,
      prefer: this.#prefer,
      ask: this.#ask,
    };
  }

  /** Only what was chosen is remembered; what follows the system goes on following it. */
  readonly #prefer = (change: Partial<Preferences>): void => {
    this.#apply({ ...this.preferences, ...change });
    if (change.language) this.memo?.write(LANGUAGE_KEY, change.language);
    if (change.theme) this.memo?.write(THEME_KEY, change.theme);
  };

  #apply(preferences: Preferences): void {
    this.preferences = preferences;
    const root = document.documentElement;
    root.lang = LANGUAGE_TAGS[preferences.language];
    if (preferences.theme === 'system') root.removeAttribute('data-theme');
    else root.dataset.theme = preferences.theme;
  }

  readonly #onChange = (): void => {
    const hasFound = this.session?.state.found != null;
    // Hits that replace a long page begin at its top, while the person goes on typing.
    if (hasFound && !this.#hadFound) window.scrollTo({ top: 0 });
    this.#hadFound = hasFound;
    this.requestUpdate();
  };

  readonly #onHash = (): void => {
    const before = this.route;
    this.route = parseRoute(location.hash);
    if (this.route.turnId !== null) this.session?.leave();
    const isSame = before.view === this.route.view && before.turnId === this.route.turnId;
    if (!isSame) void this.#arrive();
  };

  /** A new screen begins at its top, and the keyboard goes on from there. */
  async #arrive(): Promise<void> {
    await this.updateComplete;
    window.scrollTo({ top: 0 });
    this.querySelector<HTMLElement>('main')?.focus({ preventScroll: true });
  }

  readonly #ask = (question: string): void => {
    this.said = '';
    this.#show('#ask');
    window.scrollTo({ top: 0 });
    this.session?.submit(question);
  };

  /** Changes the address without a step in the history of the browser. */
  #show(hash: string): void {
    history.replaceState(null, '', hash);
    this.route = parseRoute(hash);
  }

  readonly #onNotice = (event: Event): void => {
    const notice = (event as CustomEvent<Notice>).detail;
    this.said = this.#wordsOf(notice);
    const isWaiting = this.route.view === 'ask' && this.route.turnId === null;
    if (notice.kind === 'answered' && isWaiting) this.#show(turnHash(notice.turn.id));
  };

  #wordsOf(notice: Notice): string {
    const words = messagesFor(this.preferences.language);
    switch (notice.kind) {
      case 'answered':
        return words.turn.ready(verdictText(words, notice));
      case 'draft':
        return draftText(words, notice.reason);
      case 'rated':
        return notice.vote === null ? words.rate.taken : words.rate.thanks;
      case 'added':
        return words.records.saved(notice.name);
      case 'removed':
        return words.records.removed(notice.name);
    }
  }

  /** A citation jumps to its source, which is opened, lit up and focused; the address stays. */
  readonly #onClick = (event: Event): void => {
    const link = (event.target as Element).closest<HTMLAnchorElement>('a.cite');
    const id = link?.getAttribute('href')?.slice(1);
    const source = id ? document.getElementById(id) : null;
    if (!source) return;
    event.preventDefault();
    const details = source.querySelector('details');
    if (details) details.open = true;
    source.classList.remove('lit');
    // The animation starts anew only after a layout without the class.
    void source.offsetWidth;
    source.classList.add('lit');
    source.focus({ preventScroll: true });
    source.scrollIntoView({ block: 'center' });
  };
}

function remembered(memo: Memo | null): Preferences {
  const theme = memo?.read(THEME_KEY);
  return {
    language: pickLanguage(memo?.read(LANGUAGE_KEY) ?? null, navigator.languages),
    theme: theme === 'light' || theme === 'dark' ? theme : 'system',
  };
}
