import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { BlockRow, NodeView, StateView } from '../core/api/schema.ts';
import { ApiError } from '../core/api/define.ts';
import { createEngine } from '../engine.ts';
import { LockedError } from '../engine/lock.ts';
import { openLog } from '../services/log/index.ts';
import { createHeadlessServer, type HeadlessServer } from './server.ts';
import { ArgumentError, HELP, readArguments, type Arguments } from './arguments.ts';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '..', '..');

function version(): string {
  const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string };
  return manifest.version;
}

/** Opens an address in the user's browser. Where there is none (a server) the printed address is all that is needed. */
function openBrowser(url: string): void {
  const [command, args]: [string, string[]] =
    process.platform === 'darwin'
      ? ['open', [url]]
      : process.platform === 'win32'
        ? ['cmd', ['/c', 'start', '', url]]
        : ['xdg-open', [url]];
  const headless = process.platform === 'linux' && !process.env['DISPLAY'] && !process.env['WAYLAND_DISPLAY'];
  if (headless) return;
  const child = spawn(command, args, { stdio: 'ignore', detached: true });
  child.on('error', () => {});
  child.unref();
}

/** What the terminal shows: sentences for people, or JSON lines for programs. */
function createVoice(
  json: boolean,
): (event: string, facts: Readonly<Record<string, unknown>>, words?: string | null) => void {
  return (event, facts, words) => {
    if (json) process.stdout.write(`${JSON.stringify({ event, ...facts })}\n`);
    else if (words) process.stdout.write(`${words}\n`);
  };
}

async function main(options: Arguments): Promise<number> {
  const dataDir = resolve(options.data, options.practice ? 'practice' : '.');
  const voice = createVoice(options.json);
  const { log, close: closeLog } = openLog(join(dataDir, 'logs'), { level: options.logLevel });
  const engine = await createEngine({
    version: version(),
    dataDir,
    practice: options.practice,
    log,
    overrides: {
      network: options.network,
      exposure: options.exposure,
      sv1Port: options.sv1Port,
      sv2Port: options.sv2Port,
      payout: options.payout,
      nodeBinary: options.node,
      threads: options.threads,
    },
    simulate: options.simulate,
    bundledDir: join(root, 'native', 'bin'),
  });

  let finish: (code: number) => void = () => {};
  const finished = new Promise<number>((resolvePromise) => {
    finish = resolvePromise;
  });
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(signal, () => {
      voice('stopping', {}, 'Adit: stopping; the node writes its state to disk first…');
      finish(0);
    });
  }

  const startedAt = Date.now();
  const told = new Set<string>();
  /** Blocks that were there before this run are history, not news. */
  const onBlocks = (rows: Readonly<Record<string, BlockRow>>): void => {
    for (const row of Object.values(rows)) {
      if (row.status !== 'onChain' || row.foundAt < startedAt || told.has(row.hash)) continue;
      told.add(row.hash);
      voice(
        'block',
        { height: row.height, hash: row.hash, reward: row.reward, source: row.source },
        `Adit: block ${row.height} found: ${row.hash}, reward ${(row.reward / 1e8).toFixed(8)} BTC`,
      );
      if (options.blocks > 0 && told.size >= options.blocks) finish(0);
    }
  };
  let lastPhase = '';
  const onNode = (node: NodeView): void => {
    const phase = `${node.phase} ${node.stage} ${node.problem?.code ?? ''} ${node.activity?.text ?? ''}`;
    if (phase === lastPhase) return;
    lastPhase = phase;
    voice(
      'node',
      {
        phase: node.phase,
        stage: node.stage,
        version: node.version,
        flavour: node.flavour,
        problem: node.problem,
      },
      node.problem === null
        ? node.activity && `Adit: ${node.activity.text}`
        : `Adit: ${node.problem.message} ${node.problem.advice}`,
    );
    if (node.phase === 'failed' && options.blocks > 0) finish(1);
  };
  let lastHeadline = '';
  const onState = (state: StateView): void => {
    if (state.headline === lastHeadline) return;
    lastHeadline = state.headline;
    voice('state', { headline: state.headline });
  };

  const api = engine.client();
  await engine.start();
  let server: HeadlessServer | undefined;
  if (options.page) {
    server = await createHeadlessServer({
      api: engine.api,
      pageFolder: join(root, 'out', 'page'),
      host: options.listen,
      port: options.port,
      token: randomBytes(24).toString('base64url'),
      allowedHosts: options.allowedHosts,
      log,
    });
    voice('page', { url: server.url }, `Adit: open ${server.url}`);
    if (options.open) openBrowser(server.url);
  }
  api.watch('connection', (connection) => {
    const first = (protocol: 'sv1' | 'sv2') =>
      connection.endpoints.find((endpoint) => endpoint.protocol === protocol);
    const sv1 = first('sv1');
    const sv2 = first('sv2');
    if (sv1) voice('stratum', { url: sv1.url }, `Adit: point miners at ${sv1.url}`);
    if (sv2) {
      const { url, host, port, authorityKey } = sv2;
      voice('stratumV2', { url, host, port, authorityKey }, `Adit: or, for Stratum V2, at ${url}`);
    }
    if (connection.problem !== null)
      voice('problem', { message: connection.problem }, `Adit: ${connection.problem}`);
  });
  api.watch('node', onNode);
  api.watch('state', onState);
  api.watch('blocks', onBlocks);

  const code = await finished;
  api.close();
  await server?.close();
  await engine.stop();
  closeLog();
  return code;
}

try {
  const options = readArguments(process.argv.slice(2));
  if (options.help) process.stdout.write(HELP);
  else if (options.version) process.stdout.write(`${version()}\n`);
  else process.exitCode = await main(options);
} catch (error) {
  if (error instanceof ArgumentError || error instanceof LockedError || error instanceof ApiError) {
    process.stderr.write(`Adit: ${error.message}\n`);
    process.exitCode = error instanceof ArgumentError ? 2 : 1;
  } else throw error;
}
