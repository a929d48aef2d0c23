/** Points of a series: as the server told them, and with what came since. */

import type { OneSeries, Told } from "../readings";

export interface Point {
  /** When its step begins, ms since 1970. */
  begin: number;
  /** Where it is drawn: in the middle of its step, or where its only reading was measured. */
  at: number;
  count: number;
  least: number;
  mean: number;
  greatest: number;
  last: number;
  lastAt: number;
}

/** What a sensor told of a quantity, and when the commit was that it came with. */
export interface Reading {
  at: number;
  value: number;
  committed: number;
}

export function pointsOf({ points }: OneSeries, stepS: number): Point[] {
  return points.map(([begin, count, least, mean, greatest, last, lastAt]: Told) => {
    const one = { begin: Date.parse(begin), at: 0, count, least, mean, greatest, last, lastAt: Date.parse(lastAt) };
    return { ...one, at: placeOf(one, stepS) };
  });
}

function placeOf({ begin, count, lastAt }: { begin: number; count: number; lastAt: number }, stepS: number): number {
  return count === 1 ? lastAt : begin + stepS * 500;
}

/** With a reading more. One that a sensor tells late finds its step too. */
export function withReading(points: readonly Point[], { at, value }: Reading, stepS: number): Point[] {
  const begin = Math.floor(at / (stepS * 1000)) * stepS * 1000;
  let n = points.length;
  while (n > 0 && (points[n - 1] as Point).begin > begin) n--;
  const there = points[n - 1];
  if (there?.begin !== begin) {
    const one = { begin, at, count: 1, least: value, mean: value, greatest: value, last: value, lastAt: at };
    return [...points.slice(0, n), one, ...points.slice(n)];
  }
  if (there.lastAt === at && there.last === value) return [...points]; // told already
  const count = there.count + 1;
  const isLast = at >= there.lastAt;
  const sum = {
    begin, count,
    least: Math.min(there.least, value),
    mean: there.mean + (value - there.mean) / count,
    greatest: Math.max(there.greatest, value),
    last: isLast ? value : there.last,
    lastAt: Math.max(there.lastAt, at),
  };
  return [...points.slice(0, n - 1), { ...sum, at: placeOf(sum, stepS) }, ...points.slice(n)];
}

/** Runs of points without a gap: a line is not drawn over an outage. */
export function runsOf(points: readonly Point[], stepS: number): Point[][] {
  const usual = Math.max(stepS * 1000, usualStep(points));
  const runs: Point[][] = [];
  let last: Point | undefined;
  for (const point of points) {
    if (last !== undefined && point.at - last.at <= 3.5 * usual) runs.at(-1)?.push(point);
    else runs.push([point]);
    last = point;
  }
  return runs;
}

/** What lies between most of them, ms. */
function usualStep(points: readonly Point[]): number {
  const steps = points.slice(1).map((point, n) => point.at - (points[n] as Point).at).sort((a, b) => a - b);
  return steps[Math.floor(steps.length / 2)] ?? 0;
}
