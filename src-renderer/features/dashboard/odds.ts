import { fmt, t } from '../../i18n/index.ts';
import type { Figure } from '../../i18n/format.ts';

export interface OddsFacts {
  /** Probability that the network's next block is ours. */
  readonly nextBlock: number;
  /** Probability of at least one block within a year. */
  readonly year: number;
  readonly expectedSeconds: number | null;
}

export interface OddsWords {
  readonly figure: Figure;
  readonly once: string;
  readonly ticket: string | null;
}

const DAY = 86_400;

/** The odds in words a person can weigh; null while there is nothing to compute them from. Pure. */
export function oddsWords({ nextBlock, year, expectedSeconds }: OddsFacts): OddsWords | null {
  if (expectedSeconds === null || !(expectedSeconds > 0) || !Number.isFinite(expectedSeconds) || !(year > 0))
    return null;
  if (expectedSeconds < 1)
    return { figure: { value: t.odds.anyMoment, unit: '' }, once: t.odds.easy, ticket: null };
  const often = expectedSeconds < 30 * DAY;
  const figure: Figure = often
    ? { value: fmt.span(expectedSeconds * 1000), unit: t.odds.aBlock }
    : year >= 0.5
      ? { value: fmt.percent(year, 0), unit: t.odds.within }
      : { value: t.odds.oneIn(fmt.roughly(1 / year)), unit: t.odds.aYear };
  const span = fmt.span(expectedSeconds * 1000, 'long');
  return {
    figure,
    once: often ? t.odds.often : t.odds.once(span),
    ticket: nextBlock > 0 && nextBlock < 0.5 && !often ? t.odds.ticket(fmt.roughly(1 / nextBlock)) : null,
  };
}
