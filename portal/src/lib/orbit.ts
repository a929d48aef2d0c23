/**
 * Orbits in heliocentric ecliptic coordinates, AU.
 *
 * The planets' mean elements and rates are those of E. M. Standish, "Keplerian elements for
 * approximate positions of the major planets" (JPL), good to minutes of arc from 1800 to 2050.
 */

export type Place = readonly [number, number, number];

export interface Elements {
  /** Perihelion distance, AU. */
  q: number;
  e: number;
  /** Inclination, argument of perihelion and ascending node, deg. */
  i: number;
  peri: number;
  node: number;
}

const RAD = Math.PI / 180;

/** Where on its orbit a body is at a true anomaly (deg). */
export function placeAt({ q, e, i, peri, node }: Elements, anomaly: number): Place {
  const r = (q * (1 + e)) / (1 + e * Math.cos(anomaly * RAD));
  const u = (peri + anomaly) * RAD;
  const [cosU, sinU] = [Math.cos(u), Math.sin(u)];
  const [cosN, sinN] = [Math.cos(node * RAD), Math.sin(node * RAD)];
  const [cosI, sinI] = [Math.cos(i * RAD), Math.sin(i * RAD)];
  return [r * (cosN * cosU - sinN * sinU * cosI), r * (sinN * cosU + cosN * sinU * cosI), r * sinU * sinI];
}

/** Points of an orbit within a distance of the Sun (AU), in order; open where it goes beyond. */
export function points(elements: Elements, within: number, steps = 360): Place[] {
  const { q, e } = elements;
  // The distance is reached at this cosine of the true anomaly.
  const cosine = e > 0 ? ((q * (1 + e)) / within - 1) / e : -2;
  if (cosine >= 1) return [];
  const most = cosine <= -1 ? 180 : Math.acos(cosine) / RAD;
  return Array.from({ length: steps + 1 }, (_, n) => placeAt(elements, -most + (2 * most * n) / steps));
}

export interface Planet {
  name: string;
  elements: Elements;
  /** Mean longitude at J2000 (deg), and its rate a Julian century. */
  longitude: number;
  rate: number;
}

function planet(
  name: string, a: number, e: number, i: number, longitude: number, perihelion: number, node: number,
  rate: number,
): Planet {
  return { name, elements: { q: a * (1 - e), e, i, peri: perihelion - node, node }, longitude, rate };
}

export const PLANETS: readonly Planet[] = [
  planet("Mercury", 0.38709927, 0.20563593, 7.00497902, 252.2503235, 77.45779628, 48.33076593, 149472.67411175),
  planet("Venus", 0.72333566, 0.00677672, 3.39467605, 181.9790995, 131.60246718, 76.67984255, 58517.81538729),
  planet("Earth", 1.00000261, 0.01671123, -0.00001531, 100.46457166, 102.93768193, 0, 35999.37244981),
  planet("Mars", 1.52371034, 0.0933941, 1.84969142, -4.55343205, -23.94362959, 49.55953891, 19140.30268499),
  planet("Jupiter", 5.202887, 0.04838624, 1.30439695, 34.39644051, 14.72847983, 100.47390909, 3034.74612775),
  planet("Saturn", 9.53667594, 0.05386179, 2.48599187, 49.95424423, 92.59887831, 113.66242448, 1222.49362201),
];

/** True anomaly (deg) of a planet at a Julian date. */
export function anomalyAt({ elements, longitude, rate }: Planet, julianDate: number): number {
  const centuries = (julianDate - 2451545) / 36525;
  const mean = (longitude + rate * centuries - elements.peri - elements.node) * RAD;
  let eccentric = mean;
  for (let n = 0; n < 20; n++) {
    eccentric -= (eccentric - elements.e * Math.sin(eccentric) - mean) / (1 - elements.e * Math.cos(eccentric));
  }
  const half = Math.sqrt((1 + elements.e) / (1 - elements.e)) * Math.tan(eccentric / 2);
  return (2 * Math.atan(half)) / RAD;
}

/** A place as it is seen after turning about the pole and tilting (deg): x, y on the drawing. */
export function seen([x, y, z]: Place, turn: number, tilt: number): [number, number] {
  const [cosT, sinT] = [Math.cos(turn * RAD), Math.sin(turn * RAD)];
  const [across, along] = [x * cosT - y * sinT, x * sinT + y * cosT];
  return [across, -(along * Math.sin(tilt * RAD) + z * Math.cos(tilt * RAD))];
}
