/** Density as colour: Cividis from faint to strong, on a dark or a light ground. */

import { CIVIDIS } from "../scale";

const STEPS = 256;
/** More of the colours for what is dense. */
const CONTRAST = 1.4;

/** As pixels of an image (little-endian RGBA); the first one is clear. */
export function ramp(isDark: boolean): Uint32Array {
  const found = new Uint32Array(STEPS);
  for (let step = 1; step < STEPS; step++) {
    const share = step / (STEPS - 1);
    const [r, g, b] = between(isDark ? 0.12 + 0.88 * share : 0.92 - 0.92 * share);
    found[step] = (255 << 24) | (b << 16) | (g << 8) | r;
  }
  return found;
}

function between(share: number): [number, number, number] {
  const at = share * (CIVIDIS.length - 1);
  const [low, high] = [CIVIDIS[Math.floor(at)] ?? "#000000", CIVIDIS[Math.ceil(at)] ?? "#000000"];
  const part = (text: string, n: number): number => Number.parseInt(text.slice(1 + 2 * n, 3 + 2 * n), 16);
  const mixed = [0, 1, 2].map((n) => Math.round(part(low, n) + (part(high, n) - part(low, n)) * (at % 1)));
  return [mixed[0] ?? 0, mixed[1] ?? 0, mixed[2] ?? 0];
}

/** The colour of each cell by its density, on a logarithmic scale; `areas` makes counts densities. */
export function cellColours(
  counts: Uint32Array, bins: number, areas: Float64Array, colours: Uint32Array, into: Uint32Array,
): number {
  let most = 0;
  for (let bin = 0; bin < bins; bin++) most = Math.max(most, (counts[bin] ?? 0) / (areas[bin] ?? 1));
  // From what one trajectory in the largest cell is, to the densest.
  let least = Infinity;
  for (let bin = 0; bin < bins; bin++) least = Math.min(least, 1 / (areas[bin] ?? 1));
  const span = Math.log(Math.max(most / least, 1 + 1e-9));
  for (let bin = 0; bin < bins; bin++) {
    const n = counts[bin] ?? 0;
    if (n === 0) {
      into[bin] = 0;
      continue;
    }
    const share = (Math.log(n / (areas[bin] ?? 1) / least) / span) ** CONTRAST;
    into[bin] = colours[Math.max(1, Math.min(STEPS - 1, Math.round(share * (STEPS - 1))))] ?? 0;
  }
  return most;
}
