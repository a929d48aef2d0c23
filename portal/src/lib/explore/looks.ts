/** How each plane is looked at: on a sphere from without or within, or flat. */

import { geoGraticule, geoPath } from "d3-geo";
import { numeric, type Row } from "../api";
import { outline, placesShown, projectionOf, under, type Look } from "./sky";
import type { Axis } from "./state";

/** Places on the drawing and back. */
export interface Plan {
  at: (one: number, other: number) => [number, number] | null;
  under: (x: number, y: number) => [number, number] | null;
  /** Which place each pixel shows: pairs, NaN where there is none. */
  places: () => Float32Array;
  /** Traces the border of a rectangle, or the grid. */
  trace: (context: CanvasRenderingContext2D, spans: readonly (readonly [number, number])[]) => void;
  grid: (context: CanvasRenderingContext2D) => void;
  path: ((context: CanvasRenderingContext2D) => (what: GeoJSON.GeoJSON) => void) | null;
  /** What stands where. */
  names: readonly (readonly [string, number, number])[];
}

export const LOOKS: Record<string, Look> = {
  ground: { centre: 0, isSky: false },
  radiant_sun_centred: { centre: 270, isSky: true },
  radiant_equatorial: { centre: 180, isSky: true },
  radiant_ecliptic: { centre: 180, isSky: true },
};
/** Left, right, top, bottom of a flat one. */
const FLAT = { left: 46, right: 12, top: 8, bottom: 36 };

const NOWHERE = [Number.NaN, Number.NaN] as const;

const DEGREES = (step: number, from: number): (readonly [string, number, number])[] =>
  Array.from({ length: 360 / step - 1 }, (_, n) => {
    const lon = from + step * (n + 1);
    return [`${lon < 0 ? "−" : ""}${Math.abs(lon)}°`, lon, 0] as const;
  });
const LATITUDES = (lon: number): (readonly [string, number, number])[] =>
  [60, 30, -30, -60].map((lat) => [`${lat < 0 ? "−" : "+"}${Math.abs(lat)}°`, lon, lat] as const);

function namesOf(name: string): (readonly [string, number, number])[] {
  if (name === "radiant_sun_centred") {
    return [["Sun", 0, 0], ["antihelion", 180, 0], ["apex", 270, 0], ...LATITUDES(270)];
  }
  if (name === "ground") return [...DEGREES(60, -180), ...LATITUDES(0)];
  return [...DEGREES(60, 0), ...LATITUDES(180)];
}

export function planOf(name: string, axes: readonly Axis[], width: number, height: number): Plan {
  const look = LOOKS[name];
  const [across, down] = axes;
  if (!look || !across || !down) return flatPlan(axes, width, height);
  const projection = projectionOf(look, axes, width, height);
  const step = across.to - across.from > 90 ? 30 : across.to - across.from > 30 ? 10 : 2;
  return {
    at: (lon, lat) => projection([lon, lat]) as [number, number] | null,
    under: (x, y) => under(projection, x, y),
    places: () => placesShown(projection, width, height),
    trace: (context, spans) => geoPath(projection, context)(outline(spans)),
    grid: (context) => {
      geoPath(projection, context)(geoGraticule().step([step, step])());
      geoPath(projection, context)({ type: "Sphere" });
    },
    path: (context) => (what) => void geoPath(projection, context)(what as never),
    names: across.to - across.from > 350 ? namesOf(name) : nearNames(across, down, step),
  };
}

function nearNames(across: Axis, down: Axis, step: number): (readonly [string, number, number])[] {
  const found: (readonly [string, number, number])[] = [];
  for (let lon = Math.ceil(across.from / step) * step; lon <= across.to; lon += step) found.push([`${lon}°`, lon, down.from]);
  for (let lat = Math.ceil(down.from / step) * step; lat <= down.to; lat += step) found.push([`${lat}°`, across.from, lat]);
  return found;
}

function flatPlan(axes: readonly Axis[], width: number, height: number): Plan {
  const [across, down] = axes;
  const [x0, x1, y0, y1] = [FLAT.left, width - FLAT.right, height - FLAT.bottom, FLAT.top];
  const x = (value: number): number => across ? x0 + ((value - across.from) / (across.to - across.from)) * (x1 - x0) : 0;
  const y = (value: number): number => down ? y0 + ((value - down.from) / (down.to - down.from)) * (y1 - y0) : 0;
  const below = (px: number, py: number): [number, number] | null => across && down && px >= x0 && px <= x1 && py <= y0 && py >= y1
    ? [across.from + ((px - x0) / (x1 - x0)) * (across.to - across.from), down.from + ((py - y0) / (y1 - y0)) * (down.to - down.from)]
    : null;
  return {
    at: (one, other) => [x(one), y(other)],
    under: below,
    places: () => {
      const found = new Float32Array(2 * width * height);
      for (let at = 0; at < width * height; at++) {
        const [one, other] = below((at % width) + 0.5, Math.floor(at / width) + 0.5) ?? NOWHERE;
        [found[2 * at], found[2 * at + 1]] = [one, other];
      }
      return found;
    },
    trace: (context, [one, other]) => {
      if (one && other) context.rect(x(one[0]), y(other[1]), x(one[1]) - x(one[0]), y(other[0]) - y(other[1]));
    },
    grid: (context) => context.rect(x0, y1, x1 - x0, y0 - y1),
    path: null,
    names: [],
  };
}

/** Where a trajectory is on a plane: its place, or the two ends of its track. */
export function placesOf(name: string, row: Row): [number, number][] {
  const pair = (one: string, other: string): [number, number][] => {
    const [a, b] = [numeric(row[one]), numeric(row[other])];
    return a === null || b === null ? [] : [[a, b]];
  };
  switch (name) {
    case "ground": return [...pair("begin_longitude_deg", "begin_latitude_deg"), ...pair("end_longitude_deg", "end_latitude_deg")];
    case "radiant_equatorial": return pair("rageo_deg", "decgeo_deg");
    case "radiant_ecliptic": return pair("lamgeo_deg", "betgeo_deg");
    case "radiant_sun_centred": {
      const sun = numeric(row["solar_longitude_deg"]);
      return pair("lamgeo_deg", "betgeo_deg").map(([lon, lat]) => [(lon - (sun ?? 0) + 720) % 360, lat]);
    }
    default: return pair("semi_major_axis_au", "eccentricity");
  }
}
