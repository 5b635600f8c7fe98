export interface Expected {
  readonly sha256: string;
  readonly size?: number;
  readonly maxBytes: number;
}
export function verifyFile(
  path: string,
  expected: Expected,
): Promise<
  | { readonly ok: true }
  | { readonly ok: false; readonly what: 'size' | 'SHA-256'; readonly expected: string; readonly got: string }
>;
