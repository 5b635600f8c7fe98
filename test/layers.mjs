// The layer check: who may import whom (see README, "How it is laid out"). Fails with one line per wrong import.
import { readFileSync, readdirSync } from 'node:fs';
import { dirname, join, relative, resolve, sep } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '..');

/** Services in the direction of the flow: one may use those before it, never those after it. */
const FLOW = [
  'log',
  'settings',
  'store',
  'sv2-transport',
  'node',
  'mining-ipc',
  'templates',
  'upstream',
  'gateway',
  'ledger',
  'pool',
  'devices',
  'practice',
];
/** Packages the pure core may use. */
const PURE = [/^@noble\//, /^@scure\//, /^zod$/, /^capnp-es$/];

/** @returns {string[]} */
function files(folder) {
  return readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && /\.(ts|tsx|cts|mts)$/.test(entry.name))
    .map((entry) => relative(root, join(entry.parentPath, entry.name)).split(sep).join('/'));
}

/** @param {string} text */
function imports(text) {
  const found = [];
  const pattern =
    /(?:^|[\s;}])(?:import|export)\s+(type\s+)?(?:[^'"()]*?\sfrom\s+)?['"]([^'"]+)['"]|\bimport\(\s*['"]([^'"]+)['"]\s*\)|\brequire\(\s*['"]([^'"]+)['"]\s*\)/g;
  for (const match of text.matchAll(pattern))
    found.push({ target: match[2] ?? match[3] ?? match[4], type: Boolean(match[1]) });
  return found;
}

const layerOf = (path) => {
  if (path.startsWith('src-main/core/')) return 'core';
  if (path.startsWith('src-main/services/')) return 'services';
  if (path.startsWith('src-main/transport/')) return 'transport';
  if (path.startsWith('src-main/electron/')) return 'electron';
  if (path.startsWith('src-main/headless/')) return 'headless';
  if (path.startsWith('src-main/')) return 'engine';
  if (path.startsWith('native/')) return 'native';
  return 'renderer';
};
const serviceOf = (path) => path.match(/^src-main\/services\/([^/]+)\//)?.[1];

/** @returns {string | undefined} why the import is wrong */
export function judge(from, target, type = false) {
  const layer = layerOf(from);
  if (!target.startsWith('.')) {
    if (/^electron($|\/)/.test(target) && layer !== 'electron')
      return 'only src-main/electron imports electron';
    if (layer === 'core') {
      if (!PURE.some((pattern) => pattern.test(target)))
        return 'core is pure: no node:*, no packages but noble, scure and zod';
    }
    if (layer === 'renderer' && target.startsWith('node:')) return 'the page has no Node';
    return undefined;
  }
  const to = relative(root, resolve(root, dirname(from), target))
    .split(sep)
    .join('/');
  if (to.endsWith('.css') || to.endsWith('.svg'))
    return layer === 'renderer' ? undefined : 'only the page imports styles';
  const other = layerOf(to);
  if (layer === 'core') return other === 'core' ? undefined : 'core imports only core';
  if (layer === 'services') {
    // native/ brings and probes the node: the service uses the same code as the set-up and the packaging.
    if (other === 'native')
      return serviceOf(from) === 'node' || type ? undefined : 'of the services only node imports native';
    if (other !== 'core' && other !== 'services') return 'services import only core and services';
    const mine = serviceOf(from);
    const theirs = serviceOf(to);
    if (other === 'services' && mine !== theirs) {
      if (!to.endsWith('/index.ts')) return `a service uses another only through its index.ts`;
      if (FLOW.indexOf(theirs) >= FLOW.indexOf(mine))
        return `${mine} comes before ${theirs} in the flow, so it must not use it`;
    }
    return undefined;
  }
  if (layer === 'transport')
    return other === 'core' || other === 'transport' ? undefined : 'transports know only the API in core';
  if (layer === 'renderer') {
    if (to.startsWith('src-renderer/') || to.startsWith('resources/')) return undefined;
    if (to.startsWith('src-main/core/api/')) return undefined;
    if (to.startsWith('src-main/core/') && type) return undefined;
    return 'the page imports only core/api, types of core, and itself';
  }
  if (layer === 'engine')
    return other === 'electron' || other === 'headless' ? 'the engine knows no shell' : undefined;
  return undefined;
}

/** Finds circles among the value imports of all files. */
function circles(graph) {
  const done = new Set();
  const found = [];
  const visit = (file, trail) => {
    if (trail.includes(file)) {
      found.push([...trail.slice(trail.indexOf(file)), file]);
      return;
    }
    if (done.has(file)) return;
    for (const next of graph.get(file) ?? []) visit(next, [...trail, file]);
    done.add(file);
  };
  for (const file of graph.keys()) visit(file, []);
  return found;
}

export function check() {
  const faults = [];
  const graph = new Map();
  for (const file of [...files('src-main'), ...files('src-renderer')]) {
    const next = [];
    for (const { target, type } of imports(readFileSync(join(root, file), 'utf8'))) {
      const why = judge(file, target, type);
      if (why) faults.push(`${file}: imports ${target}: ${why}`);
      if (target.startsWith('.') && !type)
        next.push(
          relative(root, resolve(root, dirname(file), target))
            .split(sep)
            .join('/'),
        );
    }
    graph.set(file, next);
  }
  for (const circle of circles(graph)) faults.push(`circle: ${circle.join(' -> ')}`);
  return faults;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const faults = check();
  for (const fault of faults) console.error(fault);
  console.log(
    faults.length === 0
      ? 'layers: every import goes the right way'
      : `layers: ${faults.length} wrong imports`,
  );
  process.exitCode = faults.length === 0 ? 0 : 1;
}
