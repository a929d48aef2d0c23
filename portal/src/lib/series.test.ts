import { expect, test } from "vitest";
import { grouped, middle, near, placesOf, positive } from "./series";

test("rows become places, in the middle of their steps and with their errors", () => {
  const rows = [{ from: 10, share: 0.5, error: 0.1 }, { from: 11, share: null, error: 0.1 }];
  expect(placesOf(rows, { x: "from", y: "share", error: "error", shift: 0.5, times: 100 })).toEqual([
    { x: 10.5, y: 50, error: 10 },
  ]);
  expect(placesOf(rows, { x: "from", y: "none" })).toEqual([]);
});

test("angles near zero are drawn beside each other", () => {
  expect(near(359, 1)).toBe(-1);
  expect(near(1, 359)).toBe(361);
  expect(near(120, 140)).toBe(120);
  expect(positive(-1)).toBe(359);
  expect(positive(720)).toBe(0);
  const rows = [{ x: 359, y: 1 }, { x: 1, y: 2 }];
  expect(placesOf(rows, { x: "x", y: "y", about: 0 }).map((place) => place.x)).toEqual([-1, 1]);
});

test("the middle of angles is where most weight is", () => {
  expect(middle([[359, 1], [1, 1]])).toBeCloseTo(0, 9);
  expect(middle([[10, 3], [20, 0]])).toBeCloseTo(10, 9);
  expect(middle([])).toBe(null);
  expect(middle([[0, 1], [180, 1]])).toBe(null);
});

test("rows are grouped in the order of the texts", () => {
  const groups = grouped([{ year: 2024 }, { year: 2022 }, { year: 2024 }], "year");
  expect([...groups].map(([year, rows]) => [year, rows.length])).toEqual([["2022", 1], ["2024", 2]]);
});
