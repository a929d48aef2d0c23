import { expect, test } from "vitest";
import { Cube, pixels, type Cells, type Told } from "./cube";
import type { Axis, Brush, View } from "./state";

const axis = (bins: number, from = 0, to = bins, isCircular = false): Axis => ({
  title: "", unit: null, sql: "x", column: "x", from, to, bins, isCircular, isTime: false, isClosed: false,
});
const view = (name: string, ...axes: Axis[]): View => ({
  name, title: name, kind: axes.length > 1 ? "plane" : "interval", axes, labels: [],
  bins: axes.reduce((product, one) => product * one.bins, 1),
});

/** Rows of (pixel, bin) as the server would count them, and by going through all of them. */
function made(active: View, rows: readonly (readonly [number, number])[], bins = 4): Cube {
  const passive = view("passive", axis(bins));
  const counts = new Map<string, number>();
  const count = (...key: number[]): void => void counts.set(String(key), (counts.get(String(key)) ?? 0) + 1);
  for (const [pixel, bin] of rows) {
    count(0, pixel, 0);
    count(1, pixel, bin);
  }
  const found = [...counts].map(([key, n]) => [...key.split(",").map(Number), n]);
  const column = (at: number): number[] => found.map((one) => one[at] ?? 0);
  const cells: Cells = {
    view: Uint8Array.from(column(0)), pixel: Uint16Array.from(column(1)), bin: Uint16Array.from(column(2)),
    n: Uint32Array.from(column(3)),
  };
  const told: Told = { snapshot: 1, rows: rows.length, active, views: [passive] };
  return new Cube(told, cells);
}

function random(seed: number): () => number {
  let state = seed;
  return () => (state = (state * 48271) % 2147483647) / 2147483647;
}

function counted(cube: Cube, brush: Brush | undefined): number[] {
  return [...(cube.select(brush).get("passive") ?? [])];
}

test("any span has what its rows have", () => {
  const next = random(7);
  const rows = Array.from({ length: 500 }, () => [Math.floor(next() * 12), Math.floor(next() * 6)] as const);
  const cube = made(view("active", axis(10)), rows); // pixels 10 and 11 are outside and null
  for (let from = 0; from < 10; from++) {
    for (let to = from + 1; to <= 10; to++) {
      const expected = [0, 0, 0, 0, 0, 0];
      for (const [pixel, bin] of rows) if (pixel >= from && pixel < to) expected[bin] = (expected[bin] ?? 0) + 1;
      expect(counted(cube, { spans: [[from, to]] })).toEqual(expected);
    }
  }
});

test("without a brush all are there, outside and null among them", () => {
  const cube = made(view("active", axis(3)), [[0, 1], [3, 1], [4, 5], [2, 0]]);
  expect(counted(cube, undefined)).toEqual([1, 2, 0, 0, 0, 1]);
  expect(cube.select(undefined).get("all")?.[0]).toBe(4);
  expect(cube.select({ spans: [[0, 3]] }).get("all")?.[0]).toBe(2);
});

test("what goes over the top is both of its ends", () => {
  const cube = made(view("active", axis(36, 0, 360, true)), [[0, 0], [1, 1], [34, 2], [35, 3], [20, 3]]);
  expect(counted(cube, { spans: [[350, 10]] })).toEqual([1, 0, 0, 1, 0, 0]);
  expect(pixels(axis(36, 0, 360, true), [340, 20])).toEqual([[34, 36], [0, 2]]);
});

test("any rectangle of a plane has what its rows have, over the top as well", () => {
  const next = random(11);
  const rows = Array.from({ length: 800 }, () => [Math.floor(next() * 26), Math.floor(next() * 6)] as const);
  const active = view("active", axis(6, -180, 180, true), axis(4, -90, 90)); // pixels 24 and 25: outside, null
  const cube = made(active, rows);
  for (const [x0, x1, y0, y1] of [[0, 6, 0, 4], [1, 3, 1, 2], [4, 1, 0, 3], [5, 6, 3, 4]] as const) {
    const expected = [0, 0, 0, 0, 0, 0];
    for (const [pixel, bin] of rows) {
      const [x, y] = [pixel % 6, Math.floor(pixel / 6)];
      const isAcross = x0 < x1 ? x >= x0 && x < x1 : x >= x0 || x < x1;
      if (pixel < 24 && isAcross && y >= y0 && y < y1) expected[bin] = (expected[bin] ?? 0) + 1;
    }
    expect(counted(cube, { spans: [[x0 * 60 - 180, x1 * 60 - 180], [y0 * 45 - 90, y1 * 45 - 90]] })).toEqual(expected);
  }
});

test("of values the chosen ones", () => {
  const active: View = { name: "active", title: "", kind: "category", axes: [], bins: 2, labels: ["PER", "..."] };
  const cube = made(active, [[0, 0], [1, 1], [2, 2], [1, 3]]);
  expect(counted(cube, { values: ["..."] })).toEqual([0, 1, 0, 1, 0, 0]);
  expect(counted(cube, { values: ["PER", "..."] })).toEqual([1, 1, 0, 1, 0, 0]);
  expect(counted(cube, { values: ["GEM"] })).toEqual([0, 0, 0, 0, 0, 0]);
});
