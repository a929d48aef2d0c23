import { expect, test } from "vitest";
import { areaBetween, fitting, fromPixel, moved, sizeAt, tilesOf, toLonLat, toPixel, toXY, within, world, zoomed, type View } from "./mercator";

const PIXELS = { width: 800, height: 400 };

test("places go there and back", () => {
  expect(toXY([0, 0])).toEqual([0.5, 0.5]);
  expect(toXY([-180, 90])[1]).toBeCloseTo(0, 9);
  for (const place of [[13.4, 52.5], [-179.9, -44], [179.9, 80]] as const) {
    const [lon, lat] = toLonLat(toXY(place));
    expect(lon).toBeCloseTo(place[0], 9);
    expect(lat).toBeCloseTo(place[1], 9);
  }
});

test("what is under the pointer stays there while one zooms", () => {
  const view = within({ x: 0.98, y: 0.4, size: 5000 }, PIXELS);
  const at = [700, 90] as const;
  const before = toLonLat(fromPixel(view, PIXELS, at));
  const after = toLonLat(fromPixel(zoomed(view, PIXELS, 3, at), PIXELS, at));
  expect(after[0]).toBeCloseTo(before[0], 6);
  expect(after[1]).toBeCloseTo(before[1], 6);
});

test("nothing but the world is shown, once", () => {
  const out = zoomed(world(PIXELS), PIXELS, 0.01, [0, 0]);
  expect(out.size).toBe(800);
  const up = moved({ x: 0.5, y: 0.5, size: 1000 }, PIXELS, 0, 99_999);
  expect(fromPixel(up, PIXELS, [0, 0])[1]).toBeCloseTo(0, 9);
  expect(moved({ x: 0.01, y: 0.5, size: 1000 }, PIXELS, 100, 0).x).toBeCloseTo(0.91, 9);
  expect(zoomed(world(PIXELS), PIXELS, 1e9, [0, 0]).size).toBe(sizeAt(15));
});

test("places on both sides of 180 deg are fitted beside each other", () => {
  const places = [toXY([179, -40]), toXY([-179, -44])];
  const view = fitting(places, PIXELS, 10, 0.001);
  const pixels = places.map((place) => toPixel(view, PIXELS, place));
  for (const [x, y] of pixels) {
    expect(x).toBeGreaterThan(9);
    expect(x).toBeLessThan(791);
    expect(y).toBeGreaterThan(9);
    expect(y).toBeLessThan(391);
  }
  expect(pixels[0]![0]).toBeLessThan(pixels[1]![0]);
  expect(fitting([], PIXELS, 10, 0.001)).toEqual(world(PIXELS));
  expect(fitting([toXY([10, 50])], PIXELS, 0, 0.01).size).toBe(40_000);
});

test("tiles cover the window, also across 180 deg, and are those of the zoom", () => {
  const view: View = within({ x: 0.99, y: 0.5, size: sizeAt(3) }, PIXELS);
  const tiles = tilesOf(view, PIXELS, 18);
  expect(new Set(tiles.map((tile) => tile.z))).toEqual(new Set([3]));
  expect(new Set(tiles.map((tile) => tile.x))).toEqual(new Set([6, 7, 0, 1]));
  expect(Math.min(...tiles.map((tile) => tile.left))).toBeLessThanOrEqual(0);
  expect(Math.max(...tiles.map((tile) => tile.left + tile.side))).toBeGreaterThanOrEqual(800);
  expect(tilesOf(view, PIXELS, 2)[0]?.z).toBe(2);
});

test("a part of the map is between its corners, and does not go over 180 deg", () => {
  const view: View = within({ x: 0.5, y: 0.5, size: 800 }, PIXELS);
  const part = areaBetween(view, PIXELS, [600, 100], [400, 200]);
  expect(part).toMatchObject({ west: 0, east: 90, south: 0 });
  expect(part.north).toBeCloseTo(40.98, 2);
  const over = within({ x: 0.95, y: 0.5, size: 1600 }, PIXELS);
  const side = areaBetween(over, PIXELS, [0, 400], [800, 0]);
  expect([Math.round(side.west), side.east]).toEqual([72, 180]);
});
