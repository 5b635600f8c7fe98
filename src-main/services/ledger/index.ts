export { Ledger, type LedgerOptions, type LedgerTotals, type Range } from './ledger.ts';
