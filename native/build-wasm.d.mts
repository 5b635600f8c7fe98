/** SHA-256 (hex) over the C sources and flags that native/sha256d/sha256d.wasm is built from. */
export function sourcesFingerprint(): string;
