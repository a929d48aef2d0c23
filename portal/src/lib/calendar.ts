/** Nights on a calendar: a row for each year, a column for each day of it. */

import { numeric, text, type Row } from "./api";
import { dayNumber } from "./dates";

export interface Night {
  /** The year. */
  row: string;
  /** Day of the year from 0, as if each year were a leap year: a date has the same place in all. */
  x: number;
  value: number;
  says: string;
}

/** As long as the longest year. */
export const DAYS = 366;
const LEAP = "2024";

export const MONTHS: readonly (readonly [number, string])[] = [
  "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
].map((name, n) => [dayOfYear(`${LEAP}-${String(n + 1).padStart(2, "0")}-15`), name] as const);

export function dayOfYear(date: string): number {
  return dayNumber(`${LEAP}${date.slice(4, 10)}`) - dayNumber(`${LEAP}-01-01`);
}

/** Rows of nights, with a column that is counted. */
export function nightsOf(rows: readonly Row[], column: string, what = "trajectories"): Night[] {
  return rows.flatMap((row) => {
    const [date, value] = [text(row["bin_date"]), numeric(row[column])];
    if (date === "" || value === null) return [];
    return [{ row: date.slice(0, 4), x: dayOfYear(date), value, says: `${date}: ${value} ${what}` }];
  });
}
