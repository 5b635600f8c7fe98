import type { Template, TemplateSourceKind, TemplateTransaction } from '../../core/mining/types.ts';

/** A solved block, ready to go. `coinbase` is serialised with its witness where the template has one. */
export interface BlockSolution {
  readonly templateId: string;
  readonly header: Uint8Array;
  readonly coinbase: Uint8Array;
}

export type SubmitResult =
  /** The node took it as its new tip, or already had it. */
  | { readonly kind: 'accepted'; readonly already: boolean }
  /** Valid, but not (yet) on the best chain. */
  | { readonly kind: 'inconclusive' }
  /** The node refused it. `reason` is its own word, for example "bad-txns-inputs-missingorspent". */
  | { readonly kind: 'rejected'; readonly reason: string }
  /** No answer: keep the block and send it again. */
  | { readonly kind: 'unreachable'; readonly reason: string };

export type SourceState =
  | { readonly kind: 'stopped' }
  | { readonly kind: 'waiting'; readonly reason: string }
  | { readonly kind: 'running' }
  | { readonly kind: 'failed'; readonly reason: string; readonly advice: string };

/**
 * Templates from the node, ipc and rpc behind one interface. A tip change is passed on at once; the source never sleeps
 * between waits. It holds the transactions of a template while a solution for it may still come: the last 17 on a tip,
 * and those of the last tip for 60 s more.
 */
export interface TemplateSource {
  readonly kind: TemplateSourceKind;
  start(): void;
  stop(): Promise<void>;
  state(): SourceState;
  current(): Template | undefined;
  onTemplate(listener: (template: Template) => void): () => void;
  onState(listener: (state: SourceState) => void): () => void;
  /** A fresh template at once, after a user's edit. */
  refresh(): Promise<void>;
  /** The transactions of a template that is still held, in block order without the coinbase; undefined when it is gone. */
  transactions(templateId: string): Promise<readonly TemplateTransaction[] | undefined>;
  /** The whole block serialised (BIP144), or undefined when the template is gone. Synchronous: it is on the path of a found block. */
  assemble(solution: BlockSolution): Uint8Array | undefined;
  /** Hands a serialised block to the node. Never throws: every way it can end is in the result. */
  submit(block: Uint8Array): Promise<SubmitResult>;
  /** Asks the node whether a block without proof of work would be valid (BIP23 proposal). */
  propose(block: Uint8Array): Promise<{ readonly valid: boolean; readonly reason: string | undefined }>;
}
