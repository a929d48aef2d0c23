/** What people noted of stations, as charts of readings show it. */

import type { Annotation } from "../readings";
import { timeText } from "./spans";

/** One that is shown. Times are ms since 1970. */
export interface Note {
  number: number;
  /** How charts number it. */
  n: number;
  /** The station, and the sensor if it is about one only. */
  of: string;
  text: string;
  by: string | null;
  begin: number;
  /** The same as its beginning where it was at one moment. */
  end: number;
}

/** Those about some sensors (STATION/SENSOR) that touch a span, numbered from the earliest on. */
export function notesOf(all: readonly Annotation[], sensors: readonly string[], from: number, to: number): Note[] {
  return all
    .filter(({ station_code, sensor_id }) =>
      sensors.some((one) => (sensor_id === null ? one.startsWith(`${station_code}/`) : one === `${station_code}/${sensor_id}`)))
    .map((one) => {
      const begin = Date.parse(one.begin_utc);
      const of = one.sensor_id === null ? one.station_code : `${one.station_code}/${one.sensor_id}`;
      const end = one.end_utc === null ? begin : Date.parse(one.end_utc);
      return { number: one.number, n: 0, of, text: one.text, by: one.noted_by, begin, end };
    })
    .filter(({ begin, end }) => end >= from && begin <= to)
    .sort((a, b) => a.begin - b.begin)
    .map((one, n) => ({ ...one, n: n + 1 }));
}

/** A window in which one is seen with what was around it: a quarter of this one, or twice its own span. */
export function around({ begin, end }: Note, from: number, to: number): [number, number] {
  const half = Math.max((to - from) / 8, end - begin, 30_000);
  const middle = (begin + end) / 2;
  return [middle - half, middle + half];
}

/** When it was; the end of one that ended on its day without the date. */
export function whenText({ begin, end }: Note): string {
  const [from, to] = [timeText(begin), timeText(end)];
  if (begin === end) return from;
  return `${from} to ${from.slice(0, 10) === to.slice(0, 10) ? to.slice(11) : to}`;
}

/** In which row each flag stands, so that none hides another: `at` are their places, in order. */
export function rowsOf(at: readonly number[], apart: number): number[] {
  const lastOf: number[] = [];
  return at.map((place) => {
    const free = lastOf.findIndex((last) => place - last >= apart);
    const row = free < 0 ? lastOf.length : free;
    lastOf[row] = place;
    return row;
  });
}
