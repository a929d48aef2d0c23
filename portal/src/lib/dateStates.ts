/** A year of dates as a drawing: weeks from left to right, Monday to Sunday downwards. */

import { numeric, text, type Row } from "./api";
import { dayNumber } from "./dates";

export const STATES = [
  "loaded", "revised", "with rejected rows", "failed", "landed, not loaded", "missing", "no bin",
] as const;
export type DateState = (typeof STATES)[number];

export interface Cell {
  date: string;
  state: DateState;
  trajectories: number;
  week: number;
  weekday: number;
}

const THURSDAY = 3; // of 1970-01-01, where Monday is 0

export function years(rows: readonly Row[]): number[] {
  const found = new Set(rows.map((row) => Number(text(row["bin_date"]).slice(0, 4))));
  return [...found].sort((one, other) => other - one);
}

export function cellsOf(rows: readonly Row[], year: number): Cell[] {
  const first = dayNumber(`${year}-01-01`);
  const offset = weekdayOf(first);
  return rows.flatMap((row) => {
    const date = text(row["bin_date"]);
    if (!date.startsWith(`${year}-`)) return [];
    const day = dayNumber(date);
    const state = STATES.find((one) => one === row["state"]) ?? "missing";
    const week = Math.floor((day - first + offset) / 7);
    return [{ date, state, trajectories: numeric(row["trajectories"]) ?? 0, week, weekday: weekdayOf(day) }];
  });
}

function weekdayOf(day: number): number {
  return (day + THURSDAY) % 7;
}

/** In which week each month begins. */
export function months(year: number): { name: string; week: number }[] {
  const first = dayNumber(`${year}-01-01`);
  return Array.from({ length: 12 }, (_, n) => {
    const day = dayNumber(`${year}-${String(n + 1).padStart(2, "0")}-01`);
    const name = new Date(Date.UTC(year, n, 1)).toLocaleString("en", { month: "short", timeZone: "UTC" });
    return { name, week: Math.floor((day - first + weekdayOf(first)) / 7) };
  });
}

/** A date of which something was landed that is not in the warehouse. */
export interface Waiting {
  bin_date: string;
  state: "failed" | "landed";
  stage: string | null;
}

/** What became of each date, whatever came of it before: that a newer file waits or failed is told first. */
export function withWaiting(rows: readonly Row[], waiting: readonly Waiting[]): Row[] {
  const all = new Map(rows.map((row) => [text(row["bin_date"]), row]));
  for (const { bin_date: date, state } of waiting) {
    all.set(date, { ...all.get(date), bin_date: date, state: state === "failed" ? state : "landed, not loaded" });
  }
  return [...all].sort(([one], [other]) => (one < other ? -1 : 1)).map(([, row]) => row);
}

export function counted(rows: readonly Row[]): Map<DateState, number> {
  const counts = new Map<DateState, number>(STATES.map((state) => [state, 0]));
  for (const row of rows) {
    const state = STATES.find((one) => one === row["state"]);
    if (state) counts.set(state, (counts.get(state) ?? 0) + 1);
  }
  return counts;
}
