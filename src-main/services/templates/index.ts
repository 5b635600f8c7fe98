export { OLD_TIP_MS, TEMPLATES_KEPT } from './held.ts';
export { createRpcTemplateSource, type RpcTemplateSourceOptions } from './rpc.ts';
export type { BlockSolution, SourceState, SubmitResult, TemplateSource } from './types.ts';
