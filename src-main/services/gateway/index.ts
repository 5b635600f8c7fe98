export { createGateway, newPrefixes } from './gateway.ts';
export type { GatewayOptions } from './gateway.ts';
export { GatewayError } from './errors.ts';
export type { GatewayErrorCode } from './errors.ts';
export type { GatewayLimits } from './limits.ts';
export { joinMinerViews, minerId } from './miners.ts';
export { createSv2Gateway } from './sv2-gateway.ts';
export type { Sv2GatewayOptions } from './sv2-gateway.ts';
export type { Gateway, GatewayAddress, MinerView, ShareEvent } from './types.ts';
