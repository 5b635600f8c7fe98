#!/usr/bin/env node
// Builds native/sha256d/sha256d.wasm, which is committed: only whoever changes the C sources needs this.
// Needs clang with its WebAssembly linker (Debian: apt-get install clang lld).
//   node native/build-wasm.mjs
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const folder = join(dirname(fileURLToPath(import.meta.url)), 'sha256d');
const SOURCES = ['sha256d.c', 'wasm.c', 'kernel-plain.c', 'kernel-simd128.c'];
const HEADERS = ['sha256d.h', 'lanes.h'];
const FLAGS = [
  '--target=wasm32',
  '-std=c11',
  '-O3',
  '-nostdlib',
  '-msimd128',
  '-mbulk-memory',
  '-Wall',
  '-Wextra',
];
const LINK = ['-Wl,--no-entry', '-Wl,--strip-all', '-Wl,-z,stack-size=65536'];

/** SHA-256 over everything the build is made from; stands beside it, so that a test sees when it is out of date. */
export function sourcesFingerprint() {
  const hash = createHash('sha256').update([...FLAGS, ...LINK].join(' '));
  for (const name of [...SOURCES, ...HEADERS]) {
    hash.update(`\n${name}\n`).update(readFileSync(join(folder, name), 'utf8').replaceAll('\r\n', '\n'));
  }
  return hash.digest('hex');
}

function main() {
  const out = join(folder, 'sha256d.wasm');
  const args = [...FLAGS, ...LINK, ...SOURCES.map((name) => join(folder, name)), '-o', out];
  try {
    execFileSync(process.env.CC ?? 'clang', args, { stdio: ['ignore', 'inherit', 'inherit'] });
    writeFileSync(`${out}.sources`, `${sourcesFingerprint()}\n`);
    console.log(`sha256d: built native/sha256d/sha256d.wasm, ${statSync(out).size} bytes`);
  } catch (error) {
    const why =
      error.code === 'ENOENT' ? 'clang is not there (Debian: apt-get install clang lld)' : error.message;
    console.error(`sha256d: WebAssembly not built: ${why}`);
    process.exitCode = 1;
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) main();
