/** Outlines and borders of the world, as paths in a Mercator world of width 1. */

import { geoMercator, geoPath } from "d3-geo";
import { feature, mesh } from "topojson-client";
import type { GeometryCollection, Topology } from "topojson-specification";
import coarse from "world-atlas/countries-110m.json";
import { sizeAt, type Pixels, type View } from "./mercator";

interface Part {
  path: Path2D;
  /** Left, top, right, bottom. */
  box: readonly [number, number, number, number];
}

export interface Outlines {
  land: Part[];
  borders: Part[];
  /** Countries: where their names stand, and how wide they are. */
  names: { name: string; at: readonly [number, number]; width: number }[];
}

type World = Topology<{ land: GeometryCollection; countries: GeometryCollection<{ name?: string }> }>;
/** From here on the coarse outlines look coarse. */
const FINE_FROM = sizeAt(4);

let coarseOnes: Outlines | undefined;
let fineOnes: Outlines | undefined;
let isAsked = false;

/** Those for a window. Finer ones are fetched when they are needed; `come` is called then. */
export function outlinesFor(view: View, come: () => void): Outlines {
  if (view.size >= FINE_FROM) {
    if (fineOnes) return fineOnes;
    if (!isAsked) {
      isAsked = true;
      import("world-atlas/countries-50m.json")
        .then((found) => {
          fineOnes = made(found.default as unknown as World);
          come();
        })
        .catch(() => (isAsked = false)); // the coarse ones stay until somebody moves on
    }
  }
  return (coarseOnes ??= made(coarse as unknown as World));
}

function made(world: World): Outlines {
  const land = feature(world, world.objects.land);
  const polygons = land.features.flatMap(({ geometry }) =>
    geometry.type === "MultiPolygon" ? geometry.coordinates : geometry.type === "Polygon" ? [geometry.coordinates] : [],
  );
  const borders = mesh(world, world.objects.countries, (one, other) => one !== other);
  const countries = feature(world, world.objects.countries).features;
  return {
    names: countries.flatMap(({ geometry, properties }) => named(geometry, properties.name ?? "")),
    land: polygons.map((coordinates) => part({ type: "Polygon", coordinates })),
    borders: borders.coordinates.map((coordinates) => part({ type: "LineString", coordinates })),
  };
}

/** A world of width 1. */
function flat() {
  return geoMercator().scale(1 / (2 * Math.PI)).translate([0.5, 0.5]).precision(0);
}

/** In the middle of the largest part of a country. */
function named(geometry: GeoJSON.Geometry, name: string): Outlines["names"] {
  const parts = geometry.type === "MultiPolygon" ? geometry.coordinates : geometry.type === "Polygon" ? [geometry.coordinates] : [];
  const path = geoPath(flat());
  const [largest] = parts
    .map((coordinates): GeoJSON.Polygon => ({ type: "Polygon", coordinates }))
    .sort((one, other) => path.area(other) - path.area(one));
  if (!largest || name === "") return [];
  const [[left], [right]] = path.bounds(largest);
  return [{ name, at: path.centroid(largest), width: right - left }];
}

function part(geometry: GeoJSON.Polygon | GeoJSON.LineString): Part {
  const projection = flat();
  const path = new Path2D();
  // A path takes what d3 draws, but for beginning anew, which it has done.
  geoPath(projection, Object.assign(path, { beginPath: () => undefined }))(geometry);
  const [[left, top], [right, bottom]] = geoPath(projection).bounds(geometry);
  return { path, box: [left, top, right, bottom] };
}

/** Calls back for each part that a window shows, and for each copy of the world that it is in. */
export function eachShown(
  parts: readonly Part[],
  view: View,
  { width, height }: Pixels,
  draw: (path: Path2D, copy: number) => void,
): void {
  const [halfX, halfY] = [width / 2 / view.size, height / 2 / view.size];
  for (const { path, box: [left, top, right, bottom] } of parts) {
    if (bottom < view.y - halfY || top > view.y + halfY) continue;
    for (const copy of [-1, 0, 1]) {
      if (right + copy >= view.x - halfX && left + copy <= view.x + halfX) draw(path, copy);
    }
  }
}
