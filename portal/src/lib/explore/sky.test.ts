import { expect, test } from "vitest";
import { binsShown, placesShown, projectionOf, under } from "./sky";
import type { Axis } from "./state";

const axis = (from: number, to: number, bins: number, isCircular: boolean): Axis => ({
  title: "", unit: "deg", sql: "x", column: "x", from, to, bins, isCircular, isTime: false, isClosed: true,
});
const AXES = [axis(0, 360, 36, true), axis(-90, 90, 18, false)];

test("the sphere fills its ellipse, and comes back from the plane", () => {
  const flat = projectionOf({ centre: 180, isSky: false }, AXES, 400, 200);
  for (const place of [[180, 0], [10, 40], [350, -70], [181, 89]] as [number, number][]) {
    const [x, y] = flat(place) ?? [0, 0];
    const back = under(flat, x, y) ?? [0, 0];
    expect((back[0] + 360) % 360).toBeCloseTo(place[0], 3);
    expect(back[1]).toBeCloseTo(place[1], 3);
  }
  expect(under(flat, 3, 3)).toBeNull(); // a corner
});

test("on the sky longitude grows to the left", () => {
  const [left, right] = [true, false].map((isSky) => projectionOf({ centre: 180, isSky }, AXES, 400, 200)([200, 0]) ?? [0]);
  expect(left?.[0]).toBeLessThan(200);
  expect(right?.[0]).toBeGreaterThan(200);
});

test("every bin is shown, as large as it is on the sphere", () => {
  const flat = projectionOf({ centre: 180, isSky: false }, AXES, 800, 400);
  const shown = binsShown(placesShown(flat, 800, 400), AXES);
  const sizes = new Map<number, number>();
  for (const bin of shown) sizes.set(bin, (sizes.get(bin) ?? 0) + 1);
  expect(sizes.size).toBe(36 * 18 + 1); // and what lies beside the sphere
  const equator = sizes.get(9 * 36 + 4) ?? 0;
  const north = sizes.get(15 * 36 + 20) ?? 0; // 60 to 70 degrees
  expect(north / equator).toBeCloseTo((Math.sin(1.2217) - Math.sin(1.0472)) / Math.sin(0.17453), 0);
});

test("each pixel shows the place that the pointer finds there", () => {
  const part = [axis(-30, 60, 36, true), axis(20, 70, 18, false)];
  for (const [look, axes] of [
    [{ centre: 270, isSky: true }, AXES], [{ centre: 0, isSky: false }, AXES], [{ centre: 0, isSky: false }, part],
  ] as const) {
    const flat = projectionOf(look, axes, 120, 60);
    const places = placesShown(flat, 120, 60);
    let compared = 0;
    for (let at = 0; at < 120 * 60; at++) {
      const place = under(flat, (at % 120) + 0.5, Math.floor(at / 120) + 0.5);
      const [longitude = 0, latitude = 0] = places.slice(2 * at, 2 * at + 2);
      if (Number.isNaN(longitude)) continue; // beside the sphere, or less than a pixel within its border
      expect(Math.abs((((longitude - (place?.[0] ?? 1e9)) % 360) + 540) % 360 - 180)).toBeLessThan(1e-3);
      expect(latitude).toBeCloseTo(place?.[1] ?? 1e9, 4);
      compared++;
    }
    expect(compared).toBeGreaterThan(120 * 60 * 0.65);
  }
});
