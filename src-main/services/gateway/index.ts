export { createGateway } from './gateway.ts';
export type { GatewayOptions } from './gateway.ts';
export { GatewayError } from './errors.ts';
export type { GatewayErrorCode } from './errors.ts';
export type { GatewayLimits } from './limits.ts';
export { minerId } from './miners.ts';
export type { Gateway, GatewayAddress, MinerView, ShareEvent } from './types.ts';
