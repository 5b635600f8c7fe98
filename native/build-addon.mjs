#!/usr/bin/env node
// Builds native/sha256d into native/build/sha256d.node with the system's C compiler. Runs on Node 18 and later.
// Without a compiler it says so in one line and ends well: the WebAssembly build of the same code is used then.
//   node native/build-addon.mjs [--force] [--strict]     --strict: end with 1 when nothing could be built
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const run = promisify(execFile);
const here = dirname(fileURLToPath(import.meta.url));
const sources = join(here, 'sha256d');
const out = join(here, 'build');
const target = join(out, 'sha256d.node');
const stamp = join(out, 'sha256d.stamp');

/** Each file is compiled for the instructions it is written for, and only run where the processor has them. */
const X64 = {
  'kernel-sse2.c': [],
  'kernel-avx2.c': ['-mavx2', '-mtune=skylake'],
  // Tuned for it, GCC 12 loads constants as broadcasts, which is worth 5 % here.
  'kernel-avx512.c': ['-mavx512f', '-mtune=skylake-avx512'],
  'kernel-shani.c': ['-msse4.1', '-msha'],
};
const ARM64 = {
  'kernel-neon.c': [],
  // Apple's clang has the SHA-256 instructions in its base; GCC and upstream clang want them named.
  'kernel-armv8.c': process.platform === 'darwin' ? [] : ['-march=armv8-a+crypto'],
};
const COMMON = ['sha256d.c', 'addon.c', 'kernel-plain.c'];

/** @param {string} message */
const say = (message) => console.log(`sha256d: ${message}`);

/** File name to extra flags, for this machine's architecture. */
function plan() {
  const files = Object.fromEntries(COMMON.map((name) => [name, []]));
  if (process.platform === 'win32') files['delay-load.c'] = [];
  if (process.arch === 'x64') Object.assign(files, X64);
  if (process.arch === 'arm64') Object.assign(files, ARM64);
  return files;
}

/** Changes whenever a source, this script or the machine does. */
function fingerprint() {
  const hash = createHash('sha256').update(`${process.platform} ${process.arch} ${process.env.CC ?? ''}\n`);
  hash.update(readFileSync(fileURLToPath(import.meta.url)));
  for (const name of readdirSync(sources).sort()) {
    if (/\.[ch]$/.test(name)) hash.update(`${name}\n`).update(readFileSync(join(sources, name)));
  }
  return hash.digest('hex');
}

/** Compilers to look for: the one the user names, else the usual ones. */
function compilers() {
  if (process.env.CC) return [process.env.CC];
  return process.platform === 'win32' ? ['clang-cl', 'cl'] : ['cc', 'gcc', 'clang'];
}

/** The first compiler that answers, or undefined. */
async function findCompiler() {
  for (const command of compilers()) {
    const microsoft = /(^|[\\/])(clang-)?cl(\.exe)?$/i.test(command);
    try {
      // cl has no --version; without arguments it prints its banner and ends with 0.
      await run(command, command.match(/(^|[\\/])cl(\.exe)?$/i) ? [] : ['--version']);
      return { command, microsoft };
    } catch {
      // Not there: try the next.
    }
  }
  return undefined;
}

/** Include folder and .def files of the npm package node-api-headers. */
function headers() {
  try {
    return createRequire(import.meta.url)('node-api-headers');
  } catch {
    return undefined;
  }
}

async function buildUnix(command, api, work) {
  const objects = await Promise.all(
    Object.entries(plan()).map(async ([name, flags]) => {
      const object = join(work, `${name}.o`);
      const common = [
        '-std=c11',
        '-O3',
        '-fPIC',
        '-fvisibility=hidden',
        '-Wall',
        '-Wextra',
        `-I${api.include_dir}`,
      ];
      await run(command, [...common, ...flags, '-c', join(sources, name), '-o', object]);
      return object;
    }),
  );
  const link =
    process.platform === 'darwin' ? ['-bundle', '-undefined', 'dynamic_lookup'] : ['-shared', '-pthread'];
  await run(command, [...link, ...objects, '-o', join(work, 'sha256d.node')]);
}

async function buildWindows(command, api, work) {
  const clang = /clang/i.test(command);
  const machine = process.arch === 'arm64' ? 'arm64' : 'x64';
  // One import library from the two lists of Node-API names.
  const names = [api.def_paths.js_native_api_def, api.def_paths.node_api_def].flatMap((path) =>
    readFileSync(path, 'utf8')
      .split(/\r?\n/)
      .filter((line) => /^\s*napi_|^\s*node_api_/.test(line)),
  );
  writeFileSync(join(work, 'node.def'), ['NAME NODE.EXE', 'EXPORTS', ...names, ''].join('\n'));
  const librarian = clang ? 'llvm-lib' : 'lib';
  await run(librarian, [
    `/def:${join(work, 'node.def')}`,
    `/machine:${machine}`,
    `/out:${join(work, 'node.lib')}`,
  ]);
  const objects = [];
  for (const [name, flags] of Object.entries(plan())) {
    const object = join(work, `${name}.obj`);
    // cl knows all intrinsics without flags; clang-cl takes the same -m flags as clang.
    const own = clang ? flags.filter((flag) => !flag.startsWith('-mtune')) : [];
    await run(command, [
      '/nologo',
      '/std:c11',
      '/O2',
      '/MT',
      '/W3',
      `/I${api.include_dir}`,
      ...own,
      '/c',
      join(sources, name),
      `/Fo${object}`,
    ]);
    objects.push(object);
  }
  const link = [
    '/link',
    `/out:${join(work, 'sha256d.node')}`,
    join(work, 'node.lib'),
    'delayimp.lib',
    '/delayload:node.exe',
  ];
  await run(command, ['/nologo', '/LD', ...objects, ...link], { cwd: work });
}

/** Loads the add-on in a process of its own, so that a broken one cannot take this one down. */
async function chosenKernel(path) {
  const script = 'console.log(require(process.argv[1]).features().find((kernel) => kernel.best).name)';
  const { stdout } = await run(process.execPath, ['-e', script, path]);
  return stdout.trim();
}

async function main() {
  const strict = process.argv.includes('--strict');
  const give = (message) => {
    say(message);
    if (strict) process.exitCode = 1;
  };
  const print = fingerprint();
  if (
    !process.argv.includes('--force') &&
    existsSync(target) &&
    existsSync(stamp) &&
    readFileSync(stamp, 'utf8') === print
  ) {
    say('native/build/sha256d.node is up to date');
    return;
  }
  const api = headers();
  if (!api)
    return give(
      'npm package node-api-headers is missing (npm install brings it); the CPU miner uses WebAssembly',
    );
  const compiler = await findCompiler();
  if (!compiler)
    return give(`no C compiler here (${compilers().join(', ')}); the CPU miner uses WebAssembly`);
  mkdirSync(out, { recursive: true });
  const work = mkdtempSync(join(out, 'work-'));
  try {
    await (compiler.microsoft ? buildWindows : buildUnix)(compiler.command, api, work);
    const kernel = await chosenKernel(join(work, 'sha256d.node'));
    // A running program keeps the old file; the new one takes its name.
    renameSync(join(work, 'sha256d.node'), target);
    writeFileSync(stamp, print);
    say(`built native/build/sha256d.node with ${compiler.command}; quickest here: ${kernel}`);
  } catch (error) {
    const text = String(error.stderr || error.stdout || error.message);
    const line = text.split('\n').find((each) => /error/i.test(each)) ?? text.split('\n')[0];
    give(`not built, the CPU miner uses WebAssembly: ${line.trim()}`);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

await main();
