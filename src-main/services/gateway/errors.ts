export type GatewayErrorCode =
  'portTaken' | 'portForbidden' | 'addressUnknown' | 'listenFailed' | 'alreadyStarted';

/** The gateway can't listen. The message says what to do. */
export class GatewayError extends Error {
  readonly code: GatewayErrorCode;
  constructor(code: GatewayErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'GatewayError';
    this.code = code;
  }
}

/** Turns an error of `listen` into one that says what to do next. */
export function listenError(error: NodeJS.ErrnoException, host: string, port: number): GatewayError {
  const cause = { cause: error };
  switch (error.code) {
    case 'EADDRINUSE':
      return new GatewayError(
        'portTaken',
        `Port ${port} is already used by another program. Choose another port for miners in the settings, or stop that program.`,
        cause,
      );
    case 'EACCES':
      return new GatewayError(
        'portForbidden',
        `This system does not let Adit listen on port ${port}. Choose a port of 1024 or higher.`,
        cause,
      );
    case 'EADDRNOTAVAIL':
      return new GatewayError(
        'addressUnknown',
        `This computer has no address ${host}. Choose an address it has, or let miners in on all of them.`,
        cause,
      );
    default:
      return new GatewayError(
        'listenFailed',
        `Can't listen on ${host} port ${port}: ${error.message}`,
        cause,
      );
  }
}
