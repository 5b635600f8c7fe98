/** What one peer, one address and all together may take. Every number has a default that no honest machine meets. */
export interface GatewayLimits {
  /** Connections in all. */
  readonly maxConnections: number;
  /** Connections from one address; a whole farm may stand behind one proxy or NAT. */
  readonly maxPerAddress: number;
  /** The same for this computer's own programs. Some of `maxConnections` always stays free for the network. */
  readonly maxPerLoopback: number;
  /** Bytes of one line. The longest honest one, a `mining.submit`, is below 400. */
  readonly maxLineBytes: number;
  /** Bytes that may wait for a peer that does not read. A job is 2 to 5 kB. */
  readonly maxBufferedBytes: number;
  /** Messages read from one connection in a second; beyond that it is not read from until the second is over. */
  readonly messagesPerSecond: number;
  /** Refused shares and senseless requests a connection may have outstanding; see `invalidPerSecond`. */
  readonly maxInvalid: number;
  /** How many of those are forgiven each second. An accepted share forgives `INVALID_PER_ACCEPTED`. */
  readonly invalidPerSecond: number;
  /** Time from connecting until subscribed and authorised. ms */
  readonly handshakeMs: number;
  /** Silence after which the peer is asked for a sign of life. ms */
  readonly pingAfterMs: number;
  /** Silence after which the connection counts as half-open and is dropped. ms */
  readonly deadAfterMs: number;
  /** Stratum V2: time from connecting until the first bytes of the encryption handshake are there. ms */
  readonly helloMs: number;
  /** Stratum V2: silence after which a connection without a channel is dropped. ms */
  readonly emptyAfterMs: number;
  /** Stratum V2: connections in all that have not set up yet, and those from one address. */
  readonly maxUnfinished: number;
  readonly maxUnfinishedPerAddress: number;
  /** Stratum V2: channels of one connection, and of all together. A proxy opens one for each of its machines. */
  readonly maxChannelsPerConnection: number;
  readonly maxChannels: number;
}

const DEFAULTS = {
  maxConnections: 2_000,
  maxPerAddress: 512,
  maxLineBytes: 16_384,
  maxBufferedBytes: 262_144,
  messagesPerSecond: 5_000,
  maxInvalid: 500,
  invalidPerSecond: 2,
  handshakeMs: 30_000,
  pingAfterMs: 120_000,
  deadAfterMs: 900_000,
  helloMs: 10_000,
  emptyAfterMs: 3_600_000,
  maxUnfinished: 1_024,
  maxUnfinishedPerAddress: 256,
  maxChannelsPerConnection: 1_024,
  maxChannels: 20_000,
};

/** Fills in what was not given. */
export function limitsWith(given: Partial<GatewayLimits>): GatewayLimits {
  const maxConnections = given.maxConnections ?? DEFAULTS.maxConnections;
  const reserve = Math.min(64, Math.floor(maxConnections / 10));
  return { ...DEFAULTS, maxPerLoopback: Math.max(1, maxConnections - reserve), ...given };
}
