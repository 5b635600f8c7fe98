export { openStore } from './store.ts';
export type * from './types.ts';
