/**
 * The drawn icons: 20 by 20, one stroke width, the colour of the text. All are decoration; the
 * words beside them, or the button's label, carry the meaning.
 */
import { html, type SVGTemplateResult, svg, type TemplateResult } from 'lit';
import { MARK } from './spiral.ts';

const draw = (shape: SVGTemplateResult): TemplateResult =>
  html`<svg class="icon" viewBox="0 0 20 20" aria-hidden="true" focusable="false">${shape}</svg>`;

export const icons = {
  ask: draw(
    svg`<path d="M3.5 5.8A2.3 2.3 0 0 1 5.800 3.500h8.400a2.300 2.300 0 0 1 2.300 2.300v5.400a2.300 2.300 0 0 1-2.300 2.300H9.600L6.200 16.500v-3H5.800a2.300 2.300 0 0 1-2.300-2.300z"/>`,
  ),
  records: draw(
    svg`<path d="M4 3.500h9.500A2.500 2.500 0 0 1 16 6v10.500H6.200A2.200 2.200 0 0 1 4 14.300zM4 14.300A2.200 2.200 0 0 1 6.200 12.500H16M7.500 7h5"/>`,
  ),
  learning: draw(
    svg`<path d="M3 15.500c3 0 3.500-4.500 6.500-4.500s3 2 5-5.500M11 5.200l3.600-.4.900 3.500"/>`,
  ),
  status: draw(svg`<path d="M2.800 10.500h3.400L8.300 5l3.600 10 2-4.500h3.300"/>`),
  send: draw(svg`<path d="M10 16V4.500M5 9.300l5-5 5 5"/>`),
  search: draw(svg`<circle cx="9" cy="9" r="5"/><path d="m12.800 12.800 3.700 3.700"/>`),
  stop: draw(svg`<rect x="5.500" y="5.500" width="9" height="9" rx="1.500" fill="currentColor"/>`),
  up: draw(
    svg`<path d="M6.500 9.200 9.400 3.300c1.200 0 2 .8 2 2v2.900h3.500c1 0 1.700.9 1.500 1.900l-1 5c-.2.800-.8 1.300-1.600 1.300H6.500m0-7.200v7.200m0-7.200H4.300c-.5 0-.8.3-.8.8v5.600c0 .5.3.8.8.8h2.200"/>`,
  ),
  down: draw(
    svg`<path d="m13.500 10.800-2.900 5.900c-1.200 0-2-.8-2-2v-2.900H5.100c-1 0-1.700-.9-1.500-1.900l1-5c.2-.8.8-1.300 1.600-1.300h7.300m0 7.200V3.600m0 7.200h2.200c.5 0 .8-.3.800-.8V4.400c0-.5-.3-.8-.8-.8h-2.200"/>`,
  ),
  retry: draw(svg`<path d="M15.800 8.500A6 6 0 1 0 16 11.500M16 4.500v4h-4"/>`),
  add: draw(svg`<path d="M10 4.500v11M4.500 10h11"/>`),
  close: draw(svg`<path d="m5.500 5.500 9 9m0-9-9 9"/>`),
  remove: draw(
    svg`<path d="M4 6h12M8 6V4.300c0-.4.3-.8.8-.8h2.400c.5 0 .8.4.8.8V6m2.500 0-.6 9.300c0 .7-.6 1.200-1.300 1.200H7.400c-.7 0-1.300-.5-1.300-1.200L5.500 6M8.500 9v4.500m3-4.500v4.500"/>`,
  ),
  letter: draw(svg`<path d="M3 5.500h14v9.500H3zM3.300 6l6.700 5 6.700-5"/>`),
  language: draw(
    svg`<circle cx="10" cy="10" r="6.800"/><path d="M3.200 10h13.600M10 3.200c4 4.200 4 9.400 0 13.600M10 3.200c-4 4.200-4 9.400 0 13.600"/>`,
  ),
  warn: draw(svg`<path d="M10 3.500 17.500 16h-15zM10 8.500v3.500m0 2v.2"/>`),
  offline: draw(
    svg`<path d="M4 6.500C4 5 5.500 4 8 4c0 3-1.500 4-1.500 6S8 12 8 12.500 7 15 5.500 15 3.500 13.800 3.500 12 4 9 4 6.500zM12 6.500C12 5 13.500 4 16 4c0 3-1.500 4-1.500 6s1.500 2 1.500 2.500-1 2.500-2.500 2.500-2-1.200-2-3 .5-3 .5-5.500z"/>`,
  ),
};

/** The spiral as logo and as the mark of something running. */
export function mark(isRunning = false): TemplateResult {
  return html`<svg class=${isRunning ? 'mark mark-running' : 'mark'} viewBox="-13 -13 26 26" aria-hidden="true" focusable="false">
    <path d=${MARK} pathLength="100" />
  </svg>`;
}
