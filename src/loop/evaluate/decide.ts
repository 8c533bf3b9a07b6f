import type { Citation, StopReason, Verdict } from '../types.ts';
import type { Repeat } from './duplicates.ts';
import { isRefusal } from './framing.ts';
import { type Judged, VERBATIM } from './judge.ts';

export interface Findings {
  readonly judged: readonly Judged[];
  readonly citations: readonly Citation[];
  readonly repeat: Repeat | null;
  /** Id of the record that the answer repeats as a whole, or null. */
  readonly copyOf: string | null;
  readonly extractive: boolean;
  readonly stopReason: StopReason;
  /** False when no vectors were at hand, so that repeats could not be looked for. */
  readonly measured: boolean;
  /** Source sentences that were too many to be read. */
  readonly unread: number;
}

/** The verdict on an answer from what was found. */
export function decide(findings: Findings): Verdict {
  const { judged, citations, repeat } = findings;
  const claims = claimsOf(judged);
  const grounded = claims.filter((one) => one.verdict.state === 'grounded').length;
  const abstained = claims.filter((one) => one.verdict.state === 'abstained').length;
  const valid = citations.filter((citation) => citation.id !== null).length;
  const refusal = isRefusal(
    judged.map((one) => one.framing),
    findings.stopReason,
  );
  return {
    sentences: judged.map((one) => one.verdict),
    groundedShare: claims.length === abstained ? null : grounded / claims.length,
    citationValidity: citations.length === 0 ? 1 : valid / citations.length,
    refusal,
    duplicateOf: repeat?.id ?? findings.copyOf,
    ...decisionOf(findings, refusal),
  };
}

type Decision = Pick<Verdict, 'decision' | 'reason'>;

function decisionOf(findings: Findings, refusal: boolean): Decision {
  const drop = reasonToDrop(findings, refusal);
  if (drop !== null) return { decision: 'dropped', reason: drop };
  const doubt = reasonToDoubt(findings);
  if (doubt !== null) return { decision: 'quarantined', reason: doubt };
  const count = claimsOf(findings.judged).length;
  const reason = findings.extractive
    ? `${sentences(count, 'stands', 'stand')} word for word in a source.`
    : `${sentences(count, 'is', 'are')} backed by a source.`;
  return { decision: 'admitted', reason };
}

function reasonToDrop({ judged, repeat }: Findings, refusal: boolean): string | null {
  if (judged.length === 0) return 'The answer is empty.';
  if (refusal) return 'The answer says that it has no answer.';
  if (repeat?.kind === 'exact') return 'The same answer is stored already.';
  return null;
}

/** In the order in which a person would want to know. */
function reasonToDoubt(findings: Findings): string | null {
  const { citations, stopReason, repeat, copyOf } = findings;
  if (stopReason !== 'end_turn' && stopReason !== 'stop_sequence') {
    return `The answer did not end by itself (${stopReason}).`;
  }
  const nowhere = citations.filter((citation) => citation.id === null);
  if (nowhere.length > 0) {
    const numbers = [...new Set(nowhere.map((citation) => `[${citation.number}]`))].join(', ');
    return `The answer cites ${numbers}, which was not among the sources.`;
  }
  const unbacked = reasonOfSentences(findings);
  if (unbacked !== null) return unbacked;
  if (repeat !== null) return 'A stored answer says the same in other words.';
  if (copyOf !== null) return 'The answer repeats a whole record.';
  if (!findings.measured) {
    return 'No model was ready, so that repeats of earlier answers could not be looked for.';
  }
  return null;
}

function reasonOfSentences(findings: Findings): string | null {
  const { judged, extractive, unread } = findings;
  const claims = claimsOf(judged);
  if (claims.length === 0) return 'The answer states nothing that a source could back.';
  const grounded = claims.filter((one) => one.verdict.state === 'grounded').length;
  const abstained = claims.filter((one) => one.verdict.state === 'abstained');
  const count = `${grounded} of ${sentences(claims.length, 'is', 'are')} backed by a source`;
  if (abstained.length === claims.length) {
    return `The answer could not be checked: ${abstained[0]?.verdict.reason}.`;
  }
  if (grounded < claims.length) {
    const other = abstained.length === 0 ? '' : `; ${abstained.length} could not be checked`;
    const more = unread === 0 ? '' : `; ${unread} sentences of the sources were too many to read`;
    return `${count}${other}${more}.`;
  }
  if (extractive) {
    const selected = claims.filter((one) => one.verdict.reason === VERBATIM).length;
    if (selected === claims.length) return null;
    return `${selected} of ${sentences(claims.length, 'stands', 'stand')} word for word in a source.`;
  }
  const foreign = claims.filter((one) => !one.english).length;
  if (foreign > 0) return `${count}, but the rules are English and do not admit other languages.`;
  if (judged.some((one) => one.framing === 'not-answered')) {
    return `${count}, and the answer says that a part is missing.`;
  }
  return null;
}

function claimsOf(judged: readonly Judged[]): Judged[] {
  return judged.filter((one) => one.verdict.state !== 'framing');
}

function sentences(count: number, one: string, many: string): string {
  return count === 1 ? `1 sentence ${one}` : `${count} sentences ${many}`;
}
