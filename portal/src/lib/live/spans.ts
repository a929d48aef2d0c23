/** Spans of time: those to choose from, and how their axes are marked. */

export const SPANS: readonly [string, number][] = [
  ["1 min", 60], ["15 min", 900], ["1 h", 3600], ["6 h", 21_600], ["1 day", 86_400], ["1 week", 604_800],
  ["1 month", 2_592_000], ["1 year", 31_536_000], ["10 years", 315_360_000],
];

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const STEPS = [
  1000, 2000, 5000, 10_000, 15_000, 30_000, MINUTE, 2 * MINUTE, 5 * MINUTE, 10 * MINUTE, 15 * MINUTE, 30 * MINUTE,
  HOUR, 2 * HOUR, 3 * HOUR, 6 * HOUR, 12 * HOUR, DAY, 2 * DAY, 5 * DAY, 10 * DAY,
] as const;

export interface Mark {
  at: number;
  text: string;
}

/** Where an axis of time (ms since 1970, UTC) is marked, some `count` times. */
export function marksOf(from: number, to: number, count: number): Mark[] {
  const step = STEPS.find((one) => (to - from) / one <= count);
  if (step === undefined) return monthsOf(from, to, count);
  const found: Mark[] = [];
  for (let at = Math.ceil(from / step) * step; at <= to; at += step) found.push({ at, text: textOf(at, step) });
  return found;
}

function monthsOf(from: number, to: number, count: number): Mark[] {
  const months = (to - from) / (30.4 * DAY);
  const step = [1, 2, 3, 6, 12, 24, 60, 120, 240, 600].find((one) => months / one <= count) ?? 1200;
  const found: Mark[] = [];
  const first = new Date(from).getUTCFullYear() * 12;
  for (let n = first; ; n += step) {
    const at = Date.UTC(Math.floor(n / 12), n % 12, 1);
    if (at > to) return found;
    if (at >= from) found.push({ at, text: new Date(at).toISOString().slice(0, step >= 12 ? 4 : 7) });
  }
}

function textOf(at: number, step: number): string {
  const iso = new Date(at).toISOString();
  if (step >= DAY) return iso.slice(5, 10);
  if (at % DAY === 0 && step >= MINUTE) return iso.slice(5, 10);
  return step < MINUTE ? iso.slice(11, 19) : iso.slice(11, 16);
}

/** A time as it is told to people: 2026-08-13 22:04:18. */
export function timeText(at: number, stepS = 1): string {
  const iso = new Date(at).toISOString().replace("T", " ");
  return stepS >= 86_400 ? iso.slice(0, 10) : stepS >= 60 ? iso.slice(0, 16) : iso.slice(0, 19);
}

/** How long something took: 5 s, 3 min, 2 h, 4 days. */
export function lasted(seconds: number): string {
  if (seconds < 100) return `${Math.max(Math.round(seconds), 0)} s`;
  if (seconds < 100 * 60) return `${Math.round(seconds / 60)} min`;
  if (seconds < 48 * 3600) return `${Math.round(seconds / 3600)} h`;
  return `${Math.round(seconds / 86_400)} days`;
}
