/**
 * Where a difficulty stands between 1 (less on chains easier than a million) and the network's, on a log scale.
 * @returns 0 to 1; 1 only when the network's difficulty was reached
 */
export function onLogScale(value: number, network: number): number {
  if (!(value > 0) || !(network > 0)) return 0;
  if (value >= network) return 1;
  const floor = Math.min(1, network / 1e6);
  return Math.max(0, Math.log(value / floor) / Math.log(network / floor));
}
