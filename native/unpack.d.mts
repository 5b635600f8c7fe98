export class UnpackError extends Error {}
export function unpack(archive: string, wanted: ReadonlyMap<string, string>): Promise<Set<string>>;
