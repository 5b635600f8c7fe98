// `npm start`: sets everything up, then opens the desktop app; where Electron can't run, the same page on loopback.
import { spawn } from 'node:child_process';
import { findElectron } from './electron.mjs';
import { runProgram, setupOrExplain } from './run.mjs';
import { buildShell, environment, root, say, SetupError } from './setup.mjs';

const args = process.argv.slice(2);
const help = args.includes('--help') || args.includes('-h');

if (setupOrExplain()) {
  const electron = help ? { ok: false, reason: '' } : await findElectron(root);
  if (electron.ok) {
    try {
      buildShell();
      const child = spawn(electron.path, [root, ...args], { stdio: 'inherit', env: environment() });
      child.on('exit', (code) => {
        process.exitCode = code ?? 1;
      });
    } catch (error) {
      if (!(error instanceof SetupError)) throw error;
      say(`Adit: ${error.message}`);
      process.exitCode = 1;
    }
  } else {
    if (!help) say(`Adit: no desktop window (${electron.reason}); the same page opens in your browser.`);
    runProgram('src-main/headless/main.ts', ['--open', ...args]);
  }
}
