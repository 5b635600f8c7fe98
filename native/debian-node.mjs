// Brings Debian's own Bitcoin node into the cache, for tests and practice on regtest: node native/debian-node.mjs --print
import { resolve } from 'node:path';

import { BringError, defaultCacheFolder } from './cache.mjs';
import { cancelOnSignal } from './cancel.mjs';
import { bringDebianNode } from './debian.mjs';
import { probeNode } from './probe.mjs';

const USAGE = `usage: node native/debian-node.mjs [--print] [--cache FOLDER] [--refresh] [--offline]
Brings the Bitcoin node of Debian's archive for tests and practice on regtest.
  --print     say how to start it, as JSON: the words of "launcher", then the node's own arguments
  --cache     folder to keep it in (default: ${defaultCacheFolder()})
  --refresh   bring it again
  --offline   only what is there already`;

async function main() {
  const words = process.argv.slice(2);
  /** @type {Parameters<typeof bringDebianNode>[0]} */
  const options = { progress: (line) => console.error(line), signal: cancelOnSignal() };
  let print = false;
  for (let word = words.shift(); word !== undefined; word = words.shift()) {
    if (word === '--print') print = true;
    else if (word === '--refresh') options.refresh = true;
    else if (word === '--offline') options.offline = true;
    else if (word === '--cache' && words[0] !== undefined)
      options.cacheFolder = resolve(String(words.shift()));
    else {
      console.error(USAGE);
      return word === '--help' ? 0 : 2;
    }
  }
  const node = await bringDebianNode(options);
  if (!print) return 0;
  const found = await probeNode(node.launcher);
  if (!found.ok)
    throw new BringError(
      'debian-broken',
      `Debian's node can't be used: ${found.reason}.`,
      'Try again with --refresh.',
    );
  const { path, launcher, cli } = node;
  const { flavour, version, versionNumber, ipc } = found;
  console.log(
    JSON.stringify({ path, launcher, origin: 'debian', flavour, version, versionNumber, ipc, cli }),
  );
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
