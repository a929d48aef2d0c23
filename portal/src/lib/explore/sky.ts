/** The whole sphere on a plane (Hammer's equal-area projection), and which cell each place shows. */

import { geoProjection, type GeoProjection } from "d3-geo";
import type { Axis } from "./state";

const ROOT2 = Math.SQRT2;
const DEGREES = 180 / Math.PI;

function hammer(longitude: number, latitude: number): [number, number] {
  const scale = Math.sqrt(1 + Math.cos(latitude) * Math.cos(longitude / 2));
  return [(2 * ROOT2 * Math.cos(latitude) * Math.sin(longitude / 2)) / scale, (ROOT2 * Math.sin(latitude)) / scale];
}

hammer.invert = (x: number, y: number): [number, number] => {
  const square = Math.max(1 - (x / 4) ** 2 - (y / 2) ** 2, 0);
  const z = Math.sqrt(square);
  return [2 * Math.atan2(z * x, 2 * (2 * square - 1)), Math.asin(Math.min(Math.max(z * y, -1), 1))];
};

/** Whether longitude grows to the left, as one sees the sky from within. */
export interface Look {
  centre: number;
  isSky: boolean;
}

/** Of a part of the sphere if the axes show one. */
export function projectionOf(look: Look, axes: readonly Axis[], width: number, height: number): GeoProjection {
  const [lon, lat] = axes;
  const flat = geoProjection(hammer).precision(0.3).reflectX(look.isSky);
  if (!lon || !lat || lon.to - lon.from > 350) {
    return flat.rotate([-look.centre, 0]).fitExtent([[2, 2], [width - 2, height - 2]], { type: "Sphere" });
  }
  flat.rotate([-(lon.from + lon.to) / 2, 0]);
  return flat.fitExtent([[8, 8], [width - 8, height - 8]], outline([[lon.from, lon.to], [lat.from, lat.to]]));
}

/** The border of a rectangle of longitude and latitude; longitudes may go over the top. */
export function outline(spans: readonly (readonly [number, number])[]): GeoJSON.LineString {
  const [west = 0, to = 0] = spans[0] ?? [];
  const [south = 0, north = 0] = spans[1] ?? [];
  const east = to < west ? to + 360 : to;
  const steps = 48;
  const line = (from: [number, number], end: [number, number]): [number, number][] =>
    Array.from({ length: steps }, (_, n) => [
      from[0] + ((end[0] - from[0]) * n) / steps, from[1] + ((end[1] - from[1]) * n) / steps,
    ]);
  const corners: [number, number][] = [[west, south], [west, north], [east, north], [east, south], [west, south]];
  const coordinates = corners.slice(1).flatMap((corner, n) => line(corners[n] ?? corner, corner));
  return { type: "LineString", coordinates: [...coordinates, [west, south]] };
}

/**
 * Which place each pixel of the drawing shows: pairs, NaN where there is none. By the formula itself: to ask the
 * projection for each pixel, and whether it comes back there, takes ten times as long.
 */
export function placesShown(projection: GeoProjection, width: number, height: number): Float32Array {
  const found = new Float32Array(2 * width * height).fill(Number.NaN);
  const [left, top] = projection.translate();
  const scale = projection.scale();
  const across = projection.reflectX() ? -scale : scale;
  const turned = projection.rotate()[0];
  for (let at = 0; at < width * height; at++) {
    const x = ((at % width) + 0.5 - left) / across;
    const y = (top - Math.floor(at / width) - 0.5) / scale;
    if ((x * x) / 8 + (y * y) / 2 > 1) continue;
    const [longitude, latitude] = hammer.invert(x, y);
    const degrees = longitude * DEGREES - turned;
    found[2 * at] = degrees > 180 ? degrees - 360 : degrees < -180 ? degrees + 360 : degrees;
    found[2 * at + 1] = latitude * DEGREES;
  }
  return found;
}

/** And which bin lies there, or -1. */
export function binsShown(places: Float32Array, axes: readonly Axis[]): Int32Array {
  const found = new Int32Array(places.length / 2).fill(-1);
  const [across, down] = axes;
  if (!across || !down) return found;
  const [x, y] = [across.bins / (across.to - across.from), down.bins / (down.to - down.from)];
  for (let at = 0; at < found.length; at++) {
    let value = places[2 * at] ?? 0;
    if (across.isCircular) {
      if (value < across.from) value += 360;
      else if (value >= across.from + 360) value -= 360;
    }
    const column = Math.floor((value - across.from) * x);
    const row = Math.floor(((places[2 * at + 1] ?? 0) - down.from) * y);
    if (column >= 0 && column < across.bins && row >= 0 && row < down.bins) found[at] = row * across.bins + column;
  }
  return found;
}

/** The place on the sphere under one on the drawing; none beside the sphere. */
export function under(projection: GeoProjection, x: number, y: number): [number, number] | null {
  const place = projection.invert?.([x, y]);
  if (!place || !place.every(Number.isFinite)) return null;
  const back = projection(place);
  return back && Math.hypot(back[0] - x, back[1] - y) < 1 ? place : null;
}
