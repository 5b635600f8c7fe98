// Sets up what is missing, then runs one of Adit's programs on Node 24: node native/run.mjs PROGRAM [ARGUMENT …]
import { spawn } from 'node:child_process';
import { environment, node24, root, say, setup, SetupError } from './setup.mjs';

/** Starts a program on Node 24, hands it our signals, and ends as it ends. */
export function runProgram(program, args) {
  const child = spawn(node24, ['--disable-warning=ExperimentalWarning', program, ...args], {
    cwd: root,
    stdio: 'inherit',
    env: environment(),
  });
  // The terminal sends Ctrl+C to the child as well; we only have to outlive it, so that its last words are read.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'])
    process.on(signal, () => signal !== 'SIGINT' && child.kill(signal));
  child.on('error', (error) => {
    say(`Adit: Node 24 could not be started: ${error.message}`);
    process.exitCode = 1;
  });
  child.on('exit', (code, signal) => {
    process.exitCode = signal ? 1 : (code ?? 1);
  });
  return child;
}

/** Runs `setup()` and says in one line what went wrong. */
export function setupOrExplain() {
  try {
    setup();
    return true;
  } catch (error) {
    if (!(error instanceof SetupError)) throw error;
    say(`Adit: ${error.message}`);
    process.exitCode = 1;
    return false;
  }
}

const [, self, program, ...args] = process.argv;
if (self?.endsWith('run.mjs') && program && setupOrExplain()) runProgram(program, args);
