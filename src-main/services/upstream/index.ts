export {
  FINAL_DEPTH,
  createBlockKeeper,
  type BlockKeeper,
  type BlockKeeperOptions,
  type FoundBlock,
  type KeeperProblem,
  type KeptBlock,
} from './keeper.ts';
export { createChainLookup, type ChainLookup } from './lookup.ts';
export {
  JOBS_KEPT,
  createSoloUpstream,
  type SoloUpstream,
  type SoloUpstreamOptions,
  type UpstreamProblem,
} from './solo.ts';
export {
  Sv2ClientError,
  connectSv2,
  type Sv2Client,
  type Sv2ClientErrorCode,
  type Sv2ClientOptions,
  type Sv2Event,
} from './sv2-client.ts';
export type { Finder, Upstream } from './types.ts';
