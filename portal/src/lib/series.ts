/** From rows of an answer to what charts draw. */

import { numeric, text, type Row } from "./api";

export interface Place {
  x: number;
  y: number;
  error?: number | null;
}

interface Names {
  x: string;
  y: string;
  /** Column with one sigma. */
  error?: string;
  /** Added to x: half a step, where x is where a step begins. */
  shift?: number;
  /** What y is multiplied with, such as 100 for a share in percent. */
  times?: number;
  /** x is an angle (deg), and is drawn near this one, also across 0. */
  about?: number | null;
}

/** Rows without one of the two numbers are left out. */
export function placesOf(rows: readonly Row[], names: Names): Place[] {
  const { shift = 0, times = 1, about = null } = names;
  return rows.flatMap((row) => {
    const [x, y] = [numeric(row[names.x]), numeric(row[names.y])];
    if (x === null || y === null) return [];
    const error = names.error === undefined ? null : numeric(row[names.error]);
    const at = { x: (about === null ? x : near(x, about)) + shift, y: y * times };
    return [error === null ? at : { ...at, error: error * times }];
  });
}

/** The same angle (deg) within half a turn of another. */
export function near(angle: number, other: number): number {
  return other + ((((angle - other + 180) % 360) + 360) % 360) - 180;
}

/** An angle from 0 to below 360 deg. */
export function positive(angle: number): number {
  return ((angle % 360) + 360) % 360;
}

/** Where angles are densest: their mean direction (deg), each with its weight; null of none. */
export function middle(angles: readonly (readonly [number, number])[]): number | null {
  let [east, north] = [0, 0];
  for (const [angle, weight] of angles) {
    east += weight * Math.sin((angle * Math.PI) / 180);
    north += weight * Math.cos((angle * Math.PI) / 180);
  }
  if (Math.hypot(east, north) < 1e-9) return null;
  return positive((Math.atan2(east, north) * 180) / Math.PI);
}

/** Rows by the text of a column, in the order of its texts. */
export function grouped(rows: readonly Row[], column: string): Map<string, Row[]> {
  const groups = new Map<string, Row[]>();
  for (const row of rows) {
    const key = text(row[column]);
    groups.set(key, [...(groups.get(key) ?? []), row]);
  }
  return new Map([...groups].sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** The classes of the n-th series of a chart: its ink (styles/series.css). */
export function inkOf(n: number): string {
  return `s${(n % 4) + 1}${n >= 4 ? " dashed" : ""}`;
}
