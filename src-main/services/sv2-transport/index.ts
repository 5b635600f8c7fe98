export {
  AUTHORITY_FILE,
  AuthorityError,
  openAuthority,
  type Authority,
  type AuthorityErrorCode,
  type AuthorityOptions,
} from './authority.ts';
export {
  ConnectError,
  connectSecure,
  type ConnectErrorCode,
  type ConnectOptions,
  type SecureConnection,
} from './connect.ts';
export { HandshakeQueue } from './handshake-queue.ts';
export { SecureChannel, type SecureChannelOptions } from './secure-channel.ts';
