/** Kinds of output script, in the field's own terms. `witness` is a witness program of a version or length not yet in use. */
export type ScriptType =
  'p2pk' | 'p2pkh' | 'p2sh' | 'p2wpkh' | 'p2wsh' | 'p2tr' | 'witness' | 'nulldata' | 'nonstandard';

const OP_RETURN = 0x6a;
const OP_CHECKSIG = 0xac;
const OP_CHECKMULTISIG = 0xae;
/** A script longer than this can never be spent (Core's `MAX_SCRIPT_SIZE`). */
const MAX_SCRIPT_SIZE = 10_000;

/** The version (0 to 16) and program (2 to 40 bytes) of a witness output (BIP141), or undefined for any other script. */
export function witnessProgram(
  script: Uint8Array,
): { readonly version: number; readonly program: Uint8Array } | undefined {
  const opcode = script[0];
  if (opcode === undefined || script.length < 4 || script.length > 42 || script[1] !== script.length - 2)
    return undefined;
  if (opcode !== 0 && (opcode < 0x51 || opcode > 0x60)) return undefined;
  return { version: opcode === 0 ? 0 : opcode - 0x50, program: script.subarray(2) };
}

/** What kind an output script is. Follows Core's `Solver` as far as Adit needs it; bare multisig counts as nonstandard. */
export function scriptType(script: Uint8Array): ScriptType {
  const witness = witnessProgram(script);
  if (witness !== undefined) {
    const { version, program } = witness;
    if (version === 0)
      return program.length === 20 ? 'p2wpkh' : program.length === 32 ? 'p2wsh' : 'nonstandard';
    return version === 1 && program.length === 32 ? 'p2tr' : 'witness';
  }
  if (
    script.length === 25 &&
    script[0] === 0x76 &&
    script[1] === 0xa9 &&
    script[2] === 20 &&
    script[23] === 0x88 &&
    script[24] === OP_CHECKSIG
  ) {
    return 'p2pkh';
  }
  if (script.length === 23 && script[0] === 0xa9 && script[1] === 20 && script[22] === 0x87) return 'p2sh';
  if (
    (script.length === 35 && script[0] === 33 && script[34] === OP_CHECKSIG) ||
    (script.length === 67 && script[0] === 65 && script[66] === OP_CHECKSIG)
  ) {
    return 'p2pk';
  }
  return script[0] === OP_RETURN ? 'nulldata' : 'nonstandard';
}

/**
 * The least an output with this script should hold, in sat: Core's `GetDustThreshold` at its default of 3,000 sat/kvB.
 * 0 for scripts that can never be spent.
 */
export function dustThreshold(script: Uint8Array): number {
  if (script[0] === OP_RETURN || script.length > MAX_SCRIPT_SIZE) return 0;
  const output = 8 + (script.length < 0xfd ? 1 : 3) + script.length;
  // Size of the input that would spend it, at Core's round figures: 148 bytes, or 67 with the witness discount.
  const input = witnessProgram(script) === undefined ? 148 : 67;
  return (output + input) * 3;
}

/**
 * Signature operations a script counts as when it stands in an output or a coinbase (Core's `GetSigOpCount` without the
 * accurate flag: a multisig counts as 20). Times 4 it is the cost against a block's 80,000.
 */
export function legacySigops(script: Uint8Array): number {
  let count = 0;
  for (let i = 0; i < script.length; i++) {
    const opcode = script[i] as number;
    if (opcode >= 1 && opcode <= 0x4b) i += opcode;
    else if (opcode >= 0x4c && opcode <= 0x4e) {
      const width = 1 << (opcode - 0x4c);
      if (i + width >= script.length) return count;
      let length = 0;
      for (let b = width; b > 0; b--) length = length * 256 + (script[i + b] as number);
      i += width + length;
    } else if (opcode === OP_CHECKSIG || opcode === OP_CHECKSIG + 1) count += 1;
    else if (opcode === OP_CHECKMULTISIG || opcode === OP_CHECKMULTISIG + 1) count += 20;
  }
  return count;
}
