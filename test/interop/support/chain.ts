/** Templates and jobs of a chain that exists only here, easy enough that a CPU finds blocks. */
import { randomBytes } from 'node:crypto';
import { buildJob } from '../../../src-main/core/mining/job.ts';
import { bitsToTarget } from '../../../src-main/core/bitcoin/target.ts';
import type { Job, Template } from '../../../src-main/core/mining/types.ts';
import { makePayouts, makeTemplate } from '../../fixtures/core-templates.ts';

/** One hash in 65,536 is a block: sixteen shares at the easiest difficulty. */
export const EASY_BITS = 0x1f00ffff;

const payouts = makePayouts([['bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080', 10_000]], 'regtest');
let jobs = 0;

/** A template of now. The same `previousHash` makes it a new one on the same tip. */
export function template(
  height: number,
  previousHash: Uint8Array = new Uint8Array(randomBytes(32)),
  transactions = 3,
): Template {
  const now = Math.floor(Date.now() / 1_000);
  return makeTemplate(
    {
      id: `interop-${height}`,
      height,
      previousHash,
      bits: EASY_BITS,
      target: bitsToTarget(EASY_BITS),
      time: now,
      minTime: now - 3_600,
    },
    transactions,
  );
}

export function jobOf(of: Template): Job {
  jobs += 1;
  return buildJob(of, { id: jobs, payouts, tag: '/adit interop/', network: 'regtest', now: Date.now() });
}
