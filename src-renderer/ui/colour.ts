const probe = document.createElement('span');
probe.hidden = true;

/**
 * A CSS colour as the canvas understands it: custom properties and `light-dark()` worked out for the theme that is on.
 * @param css any colour, for example "var(--lamp)"
 */
export function resolveColour(css: string): string {
  if (!probe.isConnected) document.body.append(probe);
  probe.style.color = css;
  return getComputedStyle(probe).color;
}

/** `steps` colours from one to another, evenly spread as the eye sees it. */
export function ramp(from: string, to: string, steps: number): string[] {
  return Array.from({ length: steps }, (_, index) =>
    resolveColour(`color-mix(in oklab, ${to} ${(index / (steps - 1)) * 100}%, ${from})`),
  );
}

export const reducedMotion = (): boolean => matchMedia('(prefers-reduced-motion: reduce)').matches;
