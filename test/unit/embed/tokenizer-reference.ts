/**
 * A plain and slow tokenizer, written from the description of the original and from nothing of
 * `workers/`: character by character, with substrings and a Map.
 */
export interface BertOptions {
  readonly clean: boolean;
  readonly ideographs: boolean;
  readonly strip: boolean;
  readonly lower: boolean;
}

const IDEOGRAPHS: readonly (readonly [number, number])[] = [
  [0x4e00, 0x9fff],
  [0x3400, 0x4dbf],
  [0x20000, 0x2a6df],
  [0x2a700, 0x2b73f],
  [0x2b740, 0x2b81f],
  [0x2b920, 0x2ceaf],
  [0xf900, 0xfaff],
  [0x2f800, 0x2fa1f],
];

const isIdeograph = (character: string): boolean => {
  const point = character.codePointAt(0)!;
  return IDEOGRAPHS.some(([first, last]) => point >= first && point <= last);
};

export function referenceNormal(text: string, options: BertOptions): string {
  let characters = [...text.toWellFormed()];
  if (options.clean) {
    characters = characters
      .filter((c) => c !== '\0' && c !== '\uFFFD')
      .filter((c) => '\t\n\r'.includes(c) || !/[\p{Cc}\p{Cf}\p{Co}]/u.test(c))
      .map((c) => (/\p{White_Space}/u.test(c) ? ' ' : c));
  }
  if (options.ideographs)
    characters = characters.flatMap((c) => (isIdeograph(c) ? [' ', c, ' '] : c));
  if (options.strip) {
    characters = [...characters.join('').normalize('NFD')].filter((c) => !/\p{Mn}/u.test(c));
  }
  return options.lower ? characters.map((c) => c.toLowerCase()).join('') : characters.join('');
}

export function referenceWords(text: string): string[] {
  const words: string[] = [];
  let word = '';
  const close = (): void => {
    if (word !== '') words.push(word);
    word = '';
  };
  for (const c of text) {
    if (/\p{White_Space}/u.test(c)) close();
    else if (/[\p{P}!-/:-@[-`{-~]/u.test(c)) {
      close();
      words.push(c);
    } else word += c;
  }
  close();
  return words;
}

export function referencePieces(
  word: string,
  vocabulary: ReadonlyMap<string, number>,
  unknown: number,
  most = 100,
): number[] {
  const characters = [...word];
  if (characters.length > most) return [unknown];
  const ids: number[] = [];
  for (let start = 0; start < characters.length; ) {
    let end = characters.length;
    const pieceTo = (to: number): string =>
      (start > 0 ? '##' : '') + characters.slice(start, to).join('');
    while (end > start && !vocabulary.has(pieceTo(end))) end--;
    if (end === start) return [unknown];
    ids.push(vocabulary.get(pieceTo(end))!);
    start = end;
  }
  return ids;
}

/** The best way by trying every piece at every place; unknown characters side by side are one. */
export function referenceUnigram(
  text: string,
  pieces: readonly (readonly [string, number])[],
  unknown: number,
): number[] {
  const characters = [...text];
  const penalty = Math.min(...pieces.map(([, score]) => score)) - 10;
  const best: { score: number; ids: number[] }[] = [{ score: 0, ids: [] }];
  for (let end = 1; end <= characters.length; end++) {
    let found: { score: number; ids: number[] } | null = null;
    for (let start = 0; start < end; start++) {
      const piece = characters.slice(start, end).join('');
      const id = pieces.findIndex(([text]) => text === piece);
      if (id < 0 && start !== end - 1) continue;
      const score = best[start]!.score + (id < 0 ? penalty : pieces[id]![1]);
      if (found && score <= found.score) continue;
      found = { score, ids: [...best[start]!.ids, id < 0 ? unknown : id] };
    }
    best.push(found!);
  }
  const { ids } = best.at(-1)!;
  return ids.filter((id, i) => id !== unknown || ids[i - 1] !== unknown);
}

/** A `precompiled_charsmap` in base64: a Darts double array, then the replacements. */
export function charsmap(replacements: Readonly<Record<string, string>>): string {
  const blob: number[] = [];
  const root: TrieNode = { children: new Map(), value: -1 };
  for (const [key, replacement] of Object.entries(replacements)) {
    let node = root;
    for (const byte of new TextEncoder().encode(key)) {
      const child = node.children.get(byte) ?? { children: new Map(), value: -1 };
      node.children.set(byte, child);
      node = child;
    }
    node.value = blob.length;
    blob.push(...new TextEncoder().encode(replacement), 0);
  }
  const units = doubleArray(root);
  const bytes = new Uint8Array(4 + units.length * 4 + blob.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, units.length * 4, true);
  for (const [i, unit] of units.entries()) view.setUint32(4 + i * 4, unit, true);
  bytes.set(blob, 4 + units.length * 4);
  return Buffer.from(bytes).toString('base64');
}

interface TrieNode {
  readonly children: Map<number, TrieNode>;
  value: number;
}

function doubleArray(root: TrieNode): number[] {
  const units: (number | undefined)[] = [0];
  // Two nodes with the same base would take each other's children for their own.
  const bases = new Set<number>();
  const place = (node: TrieNode, at: number, label: number): void => {
    const labels = [...(node.value >= 0 ? [0] : []), ...node.children.keys()];
    let base = 1;
    while (bases.has(base) || labels.some((wanted) => units[base ^ wanted] !== undefined)) base++;
    bases.add(base);
    units[at] = ((at ^ base) << 10) | (node.value >= 0 ? 0x100 : 0) | label;
    if (node.value >= 0) units[base] = (0x80000000 | node.value) >>> 0;
    for (const wanted of node.children.keys()) units[base ^ wanted] = 0;
    for (const [wanted, child] of node.children) place(child, base ^ wanted, wanted);
  };
  place(root, 0, 0);
  // A label that is free stays unequal to every byte.
  return Array.from(units, (unit) => unit ?? 0x80000000);
}
