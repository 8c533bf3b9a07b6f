/**
 * The archive worker: packs one file, or checks one that anybody may have made, and is ended by the page
 * afterwards. It reads and writes no storage.
 */

import type { ArchiveContract, ArchiveProgress } from '../../src/shared/archive-types.ts';
import { throwIfAborted } from '../../src/shared/errors.ts';
import { type Handlers, serve } from '../../src/shared/link.ts';
import type { CallContext } from '../../src/shared/types.ts';
import { checkArchive } from './check.ts';
import type { Step } from './limits.ts';
import { packArchive } from './pack.ts';

/** Milliseconds between two reports: many steps are short. */
const REPORT_MS = 50;

/** Each step is a place to stop at, and a sign of life. */
function steps(stage: 'pack' | 'check', total: number, context: CallContext<never>): Step {
  const report = context.report as (progress: ArchiveProgress) => void;
  let done = 0;
  let last = Number.NEGATIVE_INFINITY;
  return (bytes) => {
    throwIfAborted(context.signal);
    done += bytes;
    const now = performance.now();
    if (now - last < REPORT_MS) return;
    last = now;
    report({ stage, done: Math.min(done, total), total });
  };
}

const handlers: Handlers<ArchiveContract> = {
  pack: async ({ collections }, context) => {
    const bytes = collections.map(({ rows, vectors }) =>
      vectors.reduce((sum, { data }) => sum + data.size, rows.size),
    );
    const total = bytes.reduce((sum, each) => sum + each, 0);
    return { file: await packArchive(collections, steps('pack', total, context)) };
  },
  check: async ({ file }, context) => ({
    // Each byte is read once, and checked once more for what it means.
    collections: await checkArchive(file, steps('check', 2 * file.size, context)),
  }),
};

serve<ArchiveContract>(handlers, self as unknown as Parameters<typeof serve>[1]);
