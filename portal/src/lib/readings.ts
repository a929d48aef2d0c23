/** Asking for readings of stations: the public addresses below /readings, and nothing beside them. */

import { get, Problem, type Parameters } from "./api";
import { listenTo } from "./events";

export interface Quantity {
  name: string;
  label: string;
  meaning: string | null;
  unit: string | null;
  /** How many sensors have told it. */
  sensors: number;
}

export interface Sensor {
  station_code: string;
  sensor_id: string;
  latitude_deg: number | null;
  longitude_deg: number | null;
  height_m: number | null;
  last_measured_at_utc: string | null;
  last_heard_at_utc: string | null;
  values: Record<string, number>;
}

export interface Place {
  latitude_deg: number;
  longitude_deg: number;
  height_m: number | null;
  since_utc: string;
}

export interface Latest {
  sensors: Sensor[];
  taken_in_until_utc: string;
  snapshot: number;
  /** What the server's clock is ahead of this one, ms. */
  aheadMs: number;
}

/** When a step begins, how many readings, least, mean, greatest, last, when that was measured. */
export type Told = [string, number, number, number, number, number, string];

export interface OneSeries {
  series: string;
  station_code: string;
  sensor_id: string;
  quantity: string;
  label: string;
  unit: string | null;
  points: Told[];
}

export interface SeriesAnswer {
  from: string;
  to: string;
  step_s: number;
  source: "reading" | "minute" | "hour" | "day";
  series: OneSeries[];
  taken_in_until_utc: string;
  snapshot: number;
}

export interface Histogram {
  from: string;
  to: string;
  step_s: number;
  bins: [string, number][];
  reading_count: number;
  snapshot: number;
}

/** What somebody noted of a station, or of one of its sensors; `end_utc` is null where it was at one moment. */
export interface Annotation {
  number: number;
  station_code: string;
  sensor_id: string | null;
  begin_utc: string;
  end_utc: string | null;
  text: string;
  noted_by: string | null;
  noted_at_utc: string;
}

/** What came with a commit: of each sensor its last values. */
export interface Came {
  taken_in_until_utc: string;
  reading_count: number;
  sensors: [string, string, string, Record<string, number>][];
}

/** Whether there were readings when the page was loaded, as the server says it in the page. */
export function hasReadings(): boolean {
  return document.querySelector("meta[name='readings']") !== null;
}

export function readingsAddress(name: string, suffix: string, parameters: Parameters): string {
  const pairs = Object.entries(parameters).flatMap(([key, value]): [string, string][] => {
    if (value === undefined || value === "") return [];
    return typeof value === "object" ? value.map((one) => [key, one]) : [[key, String(value)]];
  });
  return `/readings/${name}.${suffix}${pairs.length ? `?${new URLSearchParams(pairs)}` : ""}`;
}

/** Raises Problem. */
export async function quantities(signal?: AbortSignal): Promise<Quantity[]> {
  const [body] = await get("/readings/quantities.json", signal);
  return (body as { quantities: Quantity[] }).quantities;
}

/** The quantities that some sensors told last, in the order of all there are; what nobody knows comes after. */
export function toldBy(sensors: readonly Sensor[], known: readonly Quantity[]): Quantity[] {
  const counts = new Map<string, number>();
  for (const { values } of sensors) for (const name in values) counts.set(name, (counts.get(name) ?? 0) + 1);
  const others = [...counts.keys()].filter((name) => !known.some((one) => one.name === name)).sort();
  return [
    ...known.filter(({ name }) => counts.has(name)),
    ...others.map((name): Quantity => ({ name, label: name, meaning: null, unit: null, sensors: counts.get(name) ?? 0 })),
  ];
}

/** Raises Problem. */
export async function latest(parameters: Parameters = {}, signal?: AbortSignal): Promise<Latest> {
  const [body, response] = await get(readingsAddress("latest", "json", parameters), signal);
  const date = Date.parse(response.headers.get("Date") ?? "");
  return { ...(body as Latest), aheadMs: Number.isFinite(date) ? date - Date.now() : 0 };
}

/** Where a station is by what its sensors tell, and since when; null where none of them told it. */
export async function placeOf(station: string): Promise<Place | null> {
  if (!hasReadings()) return null;
  const query = new URLSearchParams({ station_code: station, until_utc__isnull: "", _shape: "array", _nocount: "on" });
  try {
    const [body] = await get(`/readings/station_places.json?${query}`);
    return (body as Place[])[0] ?? null;
  } catch (error) {
    if (error instanceof Problem && error.status === 503) return null; // there are no readings here
    throw error;
  }
}

/** Raises Problem. */
export async function series(parameters: Parameters, signal?: AbortSignal): Promise<SeriesAnswer> {
  const [body] = await get(readingsAddress("series", "json", parameters), signal);
  return body as SeriesAnswer;
}

/** Raises Problem. */
export async function histogram(query: string, signal?: AbortSignal): Promise<Histogram> {
  const [body] = await get(`/readings/histogram.json${query ? `?${query}` : ""}`, signal);
  return body as Histogram;
}

/** Raises Problem. */
export async function annotations(stations: readonly string[], signal?: AbortSignal): Promise<Annotation[]> {
  const [body] = await get(readingsAddress("annotations", "json", { station: stations }), signal);
  return (body as { annotations: Annotation[] }).annotations;
}

/** Hear what comes, until what this answers is called. `anew`: what is known is to be asked again, and so
 * `annotated` of annotations. */
export function hear(
  parameters: Parameters,
  on: { came: (what: Came) => void; anew: () => void; annotated: () => void; connected: (is: boolean) => void },
): () => void {
  return listenTo(readingsAddress("events", "", parameters).replace("events.", "events"), {
    message: ({ data }) => on.came(JSON.parse(data) as Came),
    anew: on.anew,
    annotations: on.annotated,
  }, on.connected);
}
