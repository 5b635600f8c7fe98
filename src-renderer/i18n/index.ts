import { en } from './en.ts';

/** Every word on the page. Another language is another object of this type. */
export type Words = typeof en;

export const t: Words = en;
export * as fmt from './format.ts';
