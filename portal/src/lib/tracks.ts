/** Ground tracks of trajectories, from rows of an answer. */

import { numeric, text, type Row } from "./api";

export interface Track {
  identifier: string;
  /** Longitude and latitude (deg) of the beginning and of the end. */
  begin: [number, number];
  end: [number, number];
  /** Geocentric or initial speed, km/s. */
  speed: number | null;
  magnitude: number | null;
  says: string;
}

/** A place on a map, such as where a station may be. */
export interface Site {
  name: string;
  /** Longitude and latitude, deg. */
  at: [number, number];
  /** How far it may be off, km. */
  withinKm?: number;
  says: string;
  href?: string;
  colour?: string;
  /** Drawn with a ring. */
  isChosen?: boolean;
}

/** Estimated places of stations, from rows of station_places. */
export function sitesOf(rows: readonly Row[], href: (code: string) => string): Site[] {
  return rows.flatMap((row) => {
    const [lat, lon] = [numeric(row["latitude_deg"]), numeric(row["longitude_deg"])];
    const withinKm = numeric(row["nine_tenths_within_km"]);
    if (lat === null || lon === null) return [];
    const name = text(row["station_code"]);
    const far = withinKm === null ? "" : `, within some ${withinKm} km`;
    const says = `${name}${far}: ${text(row["trajectories"])} trajectories`;
    const site: Site = { name, at: [lon, lat], says, href: href(name) };
    return [withinKm === null ? site : { ...site, withinKm }];
  });
}

/** Rows without a place are left out. */
export function tracksOf(rows: readonly Row[]): Track[] {
  return rows.flatMap((row) => {
    const [lat1, lon1] = [numeric(row["begin_latitude_deg"]), numeric(row["begin_longitude_deg"])];
    const [lat2, lon2] = [numeric(row["end_latitude_deg"]), numeric(row["end_longitude_deg"])];
    if (lat1 === null || lon1 === null || lat2 === null || lon2 === null) return [];
    const magnitude = numeric(row["peak_absolute_magnitude"]);
    const shower = text(row["iau_shower_code"]);
    return [{
      identifier: text(row["trajectory_identifier"]),
      begin: [lon1, lat1],
      end: [lon2, lat2],
      speed: numeric(row["vgeo_km_s"]) ?? numeric(row["vinit_km_s"]),
      magnitude,
      says: `${text(row["beginning_utc_time"]).replace("T", " ").slice(0, 19)} UTC, ` +
        `${shower === "..." || shower === "" ? "sporadic" : shower}` +
        `${magnitude === null ? "" : `, magnitude ${magnitude}`}`,
    } satisfies Track];
  });
}

/** The track that is nearest to a place on the drawing, within a distance; by its number. */
export function nearest(
  places: readonly (readonly [number, number])[],
  x: number,
  y: number,
  within: number,
): number | null {
  let [found, least]: [number | null, number] = [null, within * within];
  for (const [n, [px, py]] of places.entries()) {
    const distance = (px - x) ** 2 + (py - y) ** 2;
    if (distance < least) [found, least] = [n, distance];
  }
  return found;
}

/** Whether all of them lie within a part of the world that a map is to show alone. */
export function areNear(tracks: readonly Track[], withinDeg = 60): boolean {
  const ends = tracks.flatMap(({ begin, end }) => [begin, end]);
  return [0, 1].every((axis) => {
    const places = ends.map((end) => end[axis as 0 | 1]);
    return Math.max(...places) - Math.min(...places) <= withinDeg;
  });
}
