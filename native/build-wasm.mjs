#!/usr/bin/env node
// Builds native/sha256d/sha256d.wasm, which is committed: only whoever changes the C sources needs this.
// Needs clang with its WebAssembly linker (Debian: apt-get install clang lld).
//   node native/build-wasm.mjs
import { execFileSync } from 'node:child_process';
import { statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const folder = join(dirname(fileURLToPath(import.meta.url)), 'sha256d');
const sources = ['sha256d.c', 'wasm.c', 'kernel-plain.c', 'kernel-simd128.c'].map((name) => join(folder, name));
const out = join(folder, 'sha256d.wasm');
const flags = ['--target=wasm32', '-std=c11', '-O3', '-nostdlib', '-msimd128', '-mbulk-memory', '-Wall', '-Wextra'];
const link = ['-Wl,--no-entry', '-Wl,--strip-all', '-Wl,-z,stack-size=65536'];

try {
  execFileSync(process.env.CC ?? 'clang', [...flags, ...link, ...sources, '-o', out], { stdio: ['ignore', 'inherit', 'inherit'] });
  console.log(`sha256d: built native/sha256d/sha256d.wasm, ${statSync(out).size} bytes`);
} catch (error) {
  console.error(`sha256d: WebAssembly not built: ${error.code === 'ENOENT' ? 'clang is not there (Debian: apt-get install clang lld)' : error.message}`);
  process.exitCode = 1;
}
