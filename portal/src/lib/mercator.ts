/**
 * The world as web maps have it (spherical Mercator), and a window onto it.
 *
 * A place is x from 0 (180 deg west) to 1 (180 deg east) and y from 0 (85.05 deg north) to 1.
 */

export type LonLat = readonly [number, number];
export type XY = readonly [number, number];

const MOST_LATITUDE = 85.0511287798066;
const KM_AROUND = 40_075;

export interface View {
  /** The place in the middle; x from 0 to below 1. */
  x: number;
  y: number;
  /** How many pixels wide the world is. */
  size: number;
}

export interface Pixels {
  width: number;
  height: number;
}

/** As large as a world of tiles of 256 px is at this zoom. */
export const sizeAt = (zoom: number): number => 256 * 2 ** zoom;
const MOST_SIZE = sizeAt(15);

export function toXY([lon, lat]: LonLat): XY {
  const sine = Math.sin((Math.min(Math.max(lat, -MOST_LATITUDE), MOST_LATITUDE) * Math.PI) / 180);
  return [lon / 360 + 0.5, 0.5 - Math.log((1 + sine) / (1 - sine)) / (4 * Math.PI)];
}

export function toLonLat([x, y]: XY): [number, number] {
  return [(x - Math.floor(x)) * 360 - 180, (Math.atan(Math.sinh(Math.PI * (1 - 2 * y))) * 180) / Math.PI];
}

/** How much of the world's width so many kilometres are at a latitude. */
export function kilometres(km: number, lat: number): number {
  return km / (KM_AROUND * Math.cos((lat * Math.PI) / 180));
}

/** The copy of x that is nearest to the middle, counted from there. */
export function fromMiddle(view: View, x: number): number {
  const apart = x - view.x;
  return apart - Math.round(apart);
}

/** Where a place is in the window, in pixels; the copy that is nearest to the middle. */
export function toPixel(view: View, { width, height }: Pixels, [x, y]: XY): [number, number] {
  return [fromMiddle(view, x) * view.size + width / 2, (y - view.y) * view.size + height / 2];
}

export function fromPixel(view: View, { width, height }: Pixels, [px, py]: XY): [number, number] {
  return [view.x + (px - width / 2) / view.size, view.y + (py - height / 2) / view.size];
}

/** A part of the map (deg). It does not go over 180 deg of longitude. */
export interface Area {
  south: number;
  north: number;
  west: number;
  east: number;
}

/** The part between two corners (px), widened to hundredths; of one that goes over 180 deg, what is on the side of
 * its middle. */
export function areaBetween(view: View, pixels: Pixels, one: XY, other: XY): Area {
  const [a, b] = [fromPixel(view, pixels, one), fromPixel(view, pixels, other)];
  const world = Math.floor((a[0] + b[0]) / 2);
  const lon = (x: number): number => (Math.min(Math.max(x - world, 0), 1) - 0.5) * 360;
  const lat = (y: number): number => toLonLat([0, y])[1];
  const low = (value: number): number => Math.floor(value * 100) / 100;
  const high = (value: number): number => Math.ceil(value * 100) / 100;
  return {
    south: low(lat(Math.max(a[1], b[1]))), north: high(lat(Math.min(a[1], b[1]))),
    west: low(lon(Math.min(a[0], b[0]))), east: high(lon(Math.max(a[0], b[0]))),
  };
}

/** A window that shows nothing but the world, and no more than once. */
export function within(view: View, { width, height }: Pixels): View {
  const size = Math.min(Math.max(view.size, width, height), MOST_SIZE);
  const half = height / 2 / size;
  const y = Math.min(Math.max(view.y, half), 1 - half);
  return { x: view.x - Math.floor(view.x), y, size };
}

/** So many times nearer, with what is under a pixel staying there. */
export function zoomed(view: View, pixels: Pixels, times: number, at: XY): View {
  const size = within({ ...view, size: view.size * times }, pixels).size;
  const [x, y] = fromPixel(view, pixels, at);
  return within(
    { x: x - (at[0] - pixels.width / 2) / size, y: y - (at[1] - pixels.height / 2) / size, size },
    pixels,
  );
}

export function moved(view: View, pixels: Pixels, right: number, down: number): View {
  return within({ ...view, x: view.x - right / view.size, y: view.y - down / view.size }, pixels);
}

/** The window that shows some places and a margin around them, or the whole world for none. */
export function fitting(places: readonly XY[], pixels: Pixels, marginPx: number, least: number): View {
  if (places.length === 0) return world(pixels);
  let [east, north] = [0, 0];
  for (const [x] of places) {
    east += Math.sin(2 * Math.PI * x);
    north += Math.cos(2 * Math.PI * x);
  }
  // About the places' own middle, so that those on both sides of 180 deg lie beside each other.
  const about = Math.atan2(east, north) / (2 * Math.PI);
  let [left, right, top, bottom] = [Infinity, -Infinity, Infinity, -Infinity];
  for (const [x, y] of places) {
    const apart = x - about - Math.round(x - about);
    left = Math.min(left, apart);
    right = Math.max(right, apart);
    top = Math.min(top, y);
    bottom = Math.max(bottom, y);
  }
  const size = Math.min(
    (pixels.width - 2 * marginPx) / Math.max(right - left, least),
    (pixels.height - 2 * marginPx) / Math.max(bottom - top, least),
  );
  return within({ x: about + (left + right) / 2, y: (top + bottom) / 2, size }, pixels);
}

/** Where people live, as large as fits. */
export function world(pixels: Pixels): View {
  return within({ x: toXY([10, 0])[0], y: toXY([0, 22])[1], size: 0 }, pixels);
}

export interface Tile {
  z: number;
  x: number;
  y: number;
  /** Where it lies in the window, in pixels. */
  left: number;
  top: number;
  side: number;
}

/** The tiles that cover the window, of the zoom that is sharp enough. */
export function tilesOf(view: View, { width, height }: Pixels, mostZoom: number): Tile[] {
  const z = Math.min(Math.max(Math.round(Math.log2(view.size / 256)), 0), mostZoom);
  const across = 2 ** z;
  const side = view.size / across;
  const first = Math.floor((view.x - width / 2 / view.size) * across);
  const last = Math.floor((view.x + width / 2 / view.size) * across);
  const top = Math.max(Math.floor((view.y - height / 2 / view.size) * across), 0);
  const bottom = Math.min(Math.floor((view.y + height / 2 / view.size) * across), across - 1);
  const tiles: Tile[] = [];
  for (let column = first; column <= last; column++) {
    for (let y = top; y <= bottom; y++) {
      tiles.push({
        z, x: ((column % across) + across) % across, y, side,
        left: (column / across - view.x) * view.size + width / 2,
        top: (y / across - view.y) * view.size + height / 2,
      });
    }
  }
  return tiles;
}
