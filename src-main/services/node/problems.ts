import type { ChildProblem } from '../../core/supervision/machine.ts';
import type { ChildDiagnosis, RawExit } from './child.ts';

/** What the words of the node's log mean for the user. The first that fits counts; wording from Core 29 to 31 (init.cpp and others). */
interface Sign {
  readonly pattern: RegExp;
  readonly code: string;
  readonly message: string;
  readonly advice: string;
  /** Trying again can't help until someone acts. */
  readonly fatal: boolean;
}

const SIGNS: readonly Sign[] = [
  {
    pattern: /Cannot obtain a lock on (?:data )?directory/i,
    code: 'dataDirLocked',
    message: "Another Bitcoin node is using Adit's chain folder.",
    advice: 'Stop the other node. Adit tries again by itself.',
    fatal: false,
  },
  {
    pattern:
      /Unable to bind to|Unable to bind any endpoint for RPC|Unable to start HTTP server|Binding RPC on address .* failed|Address already in use/i,
    code: 'portTaken',
    message: 'Another program uses a port the node needs.',
    advice: 'End the other program, or choose another port. Adit tries again by itself.',
    fatal: false,
  },
  {
    pattern: /Disk space is (?:too )?low|No space left on device|disk full|Disk quota exceeded/i,
    code: 'diskFull',
    message: 'The disk that holds the chain is full.',
    advice: 'Make room on the disk, or let the node keep fewer blocks (pruning), then start it again.',
    fatal: true,
  },
  {
    pattern: /Incorrect or no genesis block found|Wrong datadir for network/i,
    code: 'wrongNetwork',
    message: 'The chain folder holds another network than the one chosen.',
    advice: 'Choose another folder for the chain, or switch the network back.',
    fatal: true,
  },
  {
    pattern: /rebuild the database using -reindex to go back to unpruned mode/i,
    code: 'pruneChanged',
    message: 'Old blocks were deleted to save room, so the node can no longer keep all of them.',
    advice: 'Switch pruning on again, or choose an empty folder to fetch the whole chain anew.',
    fatal: true,
  },
  {
    pattern:
      /Corrupted block database|Error (?:opening|loading) block database|Fatal LevelDB error|Corruption:|LevelDB.*corrupt|Unsupported chainstate database format|restart with -reindex|use -reindex|Database corrupted|Failed to read block|Unable to read block|Error reading from database|Corrupt(?:ed|ion) .*(?:block|chainstate)/i,
    code: 'corruptDatabase',
    message: "The node's block database is damaged.",
    advice: 'Start the node with a reindex: it rebuilds the database, which takes hours to days.',
    fatal: true,
  },
  {
    pattern:
      /Error reading configuration file|Error parsing command line|Invalid (?:value|parameter|amount) |Error: .*-\w+ ?(?:is|must|cannot|can't|requires)|Config setting for|parse error on line/i,
    code: 'badConfig',
    message: 'The node does not accept its configuration.',
    advice: 'Take back the last change to the node settings or to your own lines in its bitcoin.conf.',
    fatal: true,
  },
  {
    pattern:
      /error while loading shared libraries|Library not loaded|version `[A-Z]+_[\d.]+' not found|image not found/i,
    code: 'missingLibrary',
    message: 'The node program needs a system library that is not there or is too old.',
    advice: "Let Adit use its own node: leave the node's program empty in the settings.",
    fatal: true,
  },
  {
    pattern: /Out of memory|bad_alloc|Cannot allocate memory/i,
    code: 'outOfMemory',
    message: 'The node ran out of memory.',
    advice: 'Lower the database cache in the node settings, or close other programs.',
    fatal: false,
  },
  {
    pattern:
      /Permission denied|cannot be accessed|check permissions|Cannot write to (?:data )?directory|Read-only file system/i,
    code: 'noPermission',
    message: 'The node may not read or write its chain folder.',
    advice: 'Give your user the right to write there, or choose another folder for the chain.',
    fatal: true,
  },
];

/** Lines that can hold a peer's own words (with -debug=net), which must not pass for the node's. */
const FROM_PEER = /\bpeer=\d|receive version message|subver|\[net\]/;

const NOT_STARTED: Readonly<Record<string, ChildProblem>> = {
  ENOENT: {
    code: 'binaryMissing',
    message: 'The node program is not there any more.',
    advice: 'Check its path in the node settings, or leave it empty so that Adit finds one.',
  },
  EACCES: {
    code: 'notExecutable',
    message: 'The node program may not be run.',
    advice: 'Make the file executable, or leave its path empty in the settings so that Adit finds one.',
  },
  ENOEXEC: {
    code: 'wrongArchitecture',
    message: 'The node program is not made for this computer.',
    advice: 'Choose the release for your processor, or leave the path empty so that Adit finds one.',
  },
};
const NOT_STARTED_ALIASES: Readonly<Record<string, string>> = {
  EPERM: 'EACCES',
  EBADARCH: 'ENOEXEC',
  // What libuv makes of a Windows or macOS loader's refusal it has no word for.
  UNKNOWN: 'ENOEXEC',
  EFTYPE: 'ENOEXEC',
};

/**
 * Why a node ended, from how it ended and its last words. Pure.
 * @returns undefined when nothing is known to be wrong
 */
export function diagnoseExit(exit: RawExit): ChildDiagnosis | undefined {
  const spawnCode = exit.spawnError?.code;
  if (exit.spawnError !== undefined) {
    const known =
      spawnCode === undefined ? undefined : NOT_STARTED[NOT_STARTED_ALIASES[spawnCode] ?? spawnCode];
    if (known !== undefined) return { problem: known, fatal: true };
    const problem = {
      code: 'startFailed',
      message: `The node program could not be started: ${exit.spawnError.message}`,
      advice: 'Start it again. If that does not help, choose another node program in the settings.',
    };
    // EAGAIN, ENOMEM, EMFILE: the system is short of something, which passes.
    return { problem, fatal: false };
  }
  // Newest first: an old line must not explain a new exit.
  for (const line of exit.logTail.toReversed()) {
    if (FROM_PEER.test(line)) continue;
    const sign = SIGNS.find(({ pattern }) => pattern.test(line));
    if (sign !== undefined) {
      const { code, message, advice, fatal } = sign;
      return { problem: { code, message, advice }, fatal };
    }
  }
  if (exit.signal === 'SIGKILL') {
    return {
      problem: {
        code: 'killed',
        message: 'The system ended the node by force (SIGKILL), most often because memory ran out.',
        advice: 'If it happens again, lower the database cache in the node settings or close other programs.',
      },
      fatal: false,
    };
  }
  if (exit.signal === 'SIGILL') {
    return {
      problem: {
        code: 'wrongArchitecture',
        message: 'The node program uses instructions this processor does not have.',
        advice: 'Choose the release for your processor, or leave the path empty so that Adit finds one.',
      },
      fatal: true,
    };
  }
  return undefined;
}
