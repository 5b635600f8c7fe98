/** Chips of the Bitaxe family by the name their firmware tells (ESP-Miner sends "bitaxe/<chip>/<version>"). */
const BITAXE: Readonly<Record<string, string>> = {
  BM1397: 'Bitaxe Max',
  BM1366: 'Bitaxe Ultra',
  BM1368: 'Bitaxe Supra',
  BM1370: 'Bitaxe Gamma',
};

const KNOWN: readonly (readonly [RegExp, string | ((match: RegExpExecArray) => string)])[] = [
  [/^adit-cpu/i, 'Practice miner'],
  [/^adit-sim/i, 'Practice machine'],
  [
    /^bitaxe\/(BM\d{4})/i,
    (match) => BITAXE[match[1]!.toUpperCase()] ?? `Bitaxe (${match[1]!.toUpperCase()})`,
  ],
  [/^bitaxe/i, 'Bitaxe'],
  [/^(nerd[a-z]*axe[+\d-]*[\w+γ-]*)/i, (match) => match[1]!],
  [/^nerdminer/i, 'NerdMiner'],
  [/^(nerd\w+)/i, (match) => match[1]!],
  [/avalon[\s_-]*([\w+. -]{1,16})/i, (match) => `Avalon ${tidy(match[1]!)}`],
  [/^antminer\s+([\w+. ]{1,20}?)(?:\/|$)/i, (match) => `Antminer ${match[1]!.trim()}`],
  [/^(?:bosminer|boser|bos\b|braiins)/i, 'Braiins OS'],
  [/^luxminer|^luxos/i, 'LuxOS'],
  [/^vnish|^bmminer.*vnish/i, 'VNish'],
  [/^bmminer/i, 'Antminer'],
  [/^(?:whatsminer|btminer)[\s/]*([\w+^]{0,12})/i, (match) => `Whatsminer ${match[1]!}`.trim()],
  [/^epic|powerplay/i, 'ePIC'],
  [/^mujina/i, 'Mujina'],
  [/^lucky\s*miner/i, 'LuckyMiner'],
  [/^cgminer/i, 'CGMiner'],
  [/^bfgminer/i, 'BFGMiner'],
  [/^cpuminer/i, 'CPU miner'],
];

function tidy(text: string): string {
  const words = text.trim().replace(/[._]+/g, ' ');
  return words.charAt(0).toUpperCase() + words.slice(1);
}

/**
 * What a machine is, from what its firmware calls itself.
 * @returns a name people use, the first word of an unknown one, or null where there is nothing to go by
 */
export function modelOf(userAgent: string): string | null {
  const trimmed = userAgent.trim();
  if (trimmed === '') return null;
  for (const [pattern, name] of KNOWN) {
    const match = pattern.exec(trimmed);
    if (match !== null) return typeof name === 'string' ? name : name(match);
  }
  return trimmed.split(/[/\s]/)[0]!.slice(0, 24);
}
