export type PracticeErrorCode = 'mainnet' | 'noHasher' | 'notBacked' | 'range' | 'worker';

/** Why a practice miner can't run. The message says what to do. */
export class PracticeError extends Error {
  readonly code: PracticeErrorCode;
  constructor(code: PracticeErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'PracticeError';
    this.code = code;
  }
}
