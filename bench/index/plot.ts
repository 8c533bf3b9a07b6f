/** Lines in a plane with logarithmic axes, as SVG: enough to see how something grows. */

export interface Line {
  readonly name: string;
  readonly points: readonly (readonly [number, number])[];
}

export interface Plot {
  readonly title: string;
  /** What the axes count. */
  readonly x: string;
  readonly y: string;
  readonly lines: readonly Line[];
}

const WIDTH = 460;
const HEIGHT = 320;
const LEFT = 62;
const RIGHT = 110;
const TOP = 34;
const BOTTOM = 46;
/** Distinguishable with any colour vision, on white and on black (Okabe and Ito). */
const COLOURS = ['#0072b2', '#d55e00', '#009e73', '#cc79a7', '#e69f00'];

/** Powers of ten around the values. */
function decades(values: readonly number[]): [number, number] {
  const logs = values.map((value) => Math.log10(value));
  const low = Math.floor(Math.min(...logs));
  return [low, Math.max(Math.ceil(Math.max(...logs)), low + 1)];
}

function scaleOf(values: readonly number[], from: number, to: number) {
  const [low, high] = decades(values);
  const at = (value: number) => from + ((Math.log10(value) - low) / (high - low)) * (to - from);
  const ticks = Array.from({ length: high - low + 1 }, (_, i) => 10 ** (low + i));
  return { at, ticks };
}

const round = (value: number) => value.toFixed(1);

function text(x: number, y: number, says: string, more = ''): string {
  const escaped = says.replace(/&/g, '&amp;').replace(/</g, '&lt;');
  return `<text x="${round(x)}" y="${round(y)}" ${more}>${escaped}</text>`;
}

/** Large and small numbers in a few characters. */
function label(value: number): string {
  if (value >= 1e6) return `${value / 1e6}M`;
  return value >= 1000 ? `${value / 1000}k` : `${Number(value.toPrecision(2))}`;
}

function panel({ title, x, y, lines }: Plot, left: number): string {
  const points = lines.flatMap((line) => line.points);
  const across = scaleOf(
    points.map(([a]) => a),
    left + LEFT,
    left + WIDTH - RIGHT,
  );
  const up = scaleOf(
    points.map(([, b]) => b),
    HEIGHT - BOTTOM,
    TOP,
  );
  const [right, bottom] = [left + WIDTH - RIGHT, HEIGHT - BOTTOM];
  const grid = [
    ...up.ticks.map((value) => {
      const at = round(up.at(value));
      const number = text(left + LEFT - 6, up.at(value) + 4, label(value), 'text-anchor="end"');
      return `<path class="grid" d="M${left + LEFT} ${at}H${right}"/>${number}`;
    }),
    ...across.ticks.map((value) => {
      const at = round(across.at(value));
      const number = text(across.at(value), bottom + 16, label(value), 'text-anchor="middle"');
      return `<path class="grid" d="M${at} ${TOP}V${bottom}"/>${number}`;
    }),
  ];
  const middle = 'text-anchor="middle"';
  const titles = [
    text(left + LEFT, TOP - 14, title, 'font-weight="bold"'),
    text((left + LEFT + right) / 2, HEIGHT - 10, x, middle),
    text(
      0,
      0,
      y,
      `${middle} transform="translate(${left + 14} ${(TOP + bottom) / 2}) rotate(-90)"`,
    ),
  ];
  const drawing = lines.map((line, i) => drawn(line, i, across.at, up.at));
  return [...grid, ...titles, ...drawing, ...legend(lines, right + 10)].join('\n');
}

type Place = (value: number) => number;

/** A line with its points. */
function drawn({ points }: Line, at: number, x: Place, y: Place): string {
  const colour = COLOURS[at % COLOURS.length];
  const places = points.map(([a, b]) => [round(x(a)), round(y(b))] as const);
  const path = places.map((place) => place.join(' ')).join('L');
  const dots = places.map(([a, b]) => `<circle cx="${a}" cy="${b}" r="3" fill="${colour}"/>`);
  return `<path fill="none" stroke="${colour}" stroke-width="2" d="M${path}"/>${dots.join('')}`;
}

/** The names of lines under each other, since lines may end in one place. */
function legend(lines: readonly Line[], left: number): string[] {
  return lines.map(({ name }, at) =>
    text(left, TOP + 12 + 18 * at, name, `fill="${COLOURS[at % COLOURS.length]}"`),
  );
}

/** Plots beside each other. All values must be above 0. */
export function svgOf(plots: readonly Plot[]): string {
  const width = WIDTH * plots.length;
  const panels = plots.map((plot, i) => panel(plot, i * WIDTH));
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${HEIGHT}" width="${width}" height="${HEIGHT}" font-family="sans-serif" font-size="12">
<style>.grid{stroke:#8888;stroke-width:.5}</style>
<rect width="${width}" height="${HEIGHT}" fill="#fff"/>
${panels.join('\n')}
</svg>
`;
}
