// Brings the pinned Bitcoin Core release: node native/bring-node.mjs --print
import { resolve } from 'node:path';

import { BringError, defaultCacheFolder } from './cache.mjs';
import { cancelOnSignal } from './cancel.mjs';
import { probeNode } from './probe.mjs';
import { bringRelease, readReleases } from './release.mjs';

const USAGE = `usage: node native/bring-node.mjs [--platform NAME] [--arch NAME] [--to FOLDER] [--cache FOLDER] [--offline] [--print]
Brings the official Bitcoin Core release that Adit pins, verifies it, and unpacks the node.
  --platform   linux, darwin or win32 (default: ${process.platform})
  --arch       x64 or arm64 (default: ${process.arch})
  --to         folder to unpack into (default: one in the cache)
  --cache      folder for downloads (default: ${defaultCacheFolder()})
  --offline    use only what is there already
  --print      say what was brought, as JSON`;

/** One line, drawn over itself on a terminal, every tenth part elsewhere. */
function progressLine() {
  let last = -1;
  return (
    /** @type {string} */ text,
    /** @type {number | undefined} */ done,
    /** @type {number | undefined} */ total,
  ) => {
    if (done === undefined) {
      process.stderr.write(`${process.stderr.isTTY && last >= 0 ? '\n' : ''}${text}\n`);
      return;
    }
    const part = total ? Math.floor((done / total) * 100) : Math.floor(done / 1e6);
    if (part === last || (!process.stderr.isTTY && part % 10 !== 0)) return;
    last = part;
    const amount = `${(done / 1e6).toFixed(1)}${total ? ` of ${(total / 1e6).toFixed(1)}` : ''} MB`;
    process.stderr.write(process.stderr.isTTY ? `\r${text}: ${amount} ` : `${text}: ${amount}\n`);
  };
}

async function main() {
  const words = process.argv.slice(2);
  /** @type {{ platform?: string, arch?: string, to?: string, cacheFolder?: string, offline?: boolean }} */
  const options = {};
  let print = false;
  for (let word = words.shift(); word !== undefined; word = words.shift()) {
    if (word === '--print') print = true;
    else if (word === '--offline') options.offline = true;
    else if (word === '--platform' && words[0] !== undefined) options.platform = String(words.shift());
    else if (word === '--arch' && words[0] !== undefined) options.arch = String(words.shift());
    else if (word === '--to' && words[0] !== undefined) options.to = resolve(String(words.shift()));
    else if (word === '--cache' && words[0] !== undefined)
      options.cacheFolder = resolve(String(words.shift()));
    else {
      console.error(USAGE);
      return word === '--help' ? 0 : 2;
    }
  }
  const node = await bringRelease(await readReleases(), {
    ...options,
    progress: progressLine(),
    signal: cancelOnSignal(),
  });
  if (!print) return 0;
  const foreign =
    (options.platform ?? process.platform) !== process.platform ||
    (options.arch ?? process.arch) !== process.arch;
  const found = foreign ? undefined : await probeNode([node.path]);
  if (found?.ok === false) {
    throw new BringError(
      'broken',
      `${node.path} can't be used: ${found.reason}.`,
      `Delete ${node.folder} and try again.`,
    );
  }
  const facts = found && {
    flavour: found.flavour,
    version: found.version,
    versionNumber: found.versionNumber,
    ipc: found.ipc,
  };
  console.log(JSON.stringify({ path: node.path, launcher: [], origin: 'cache', ...facts, cli: [node.cli] }));
  return 0;
}

main().then(
  (code) => {
    process.exitCode = code;
  },
  (/** @type {unknown} */ error) => {
    console.error(error instanceof BringError ? `${error.message} ${error.advice}` : error);
    process.exitCode = 1;
  },
);
