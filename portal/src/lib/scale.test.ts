import { expect, test } from "vitest";
import { colour, extent, linear, ticks } from "./scale";

test("ticks are round and lie within", () => {
  expect(ticks(0, 10, 5)).toEqual([0, 2, 4, 6, 8, 10]);
  expect(ticks(0.13, 0.58, 4)).toEqual([0.2, 0.4]);
  expect(ticks(-7, 3, 5)).toEqual([-6, -4, -2, 0, 2]);
  expect(ticks(5, 5, 5)).toEqual([5]);
});

test("a scale turns and widens", () => {
  const down = linear([0, 10], [100, 0]);
  expect([down(0), down(5), down(10)]).toEqual([100, 50, 0]);
  const one = linear([4, 4], [0, 10]);
  expect(one(4)).toBe(5);
});

test("of no values there is an extent too", () => {
  expect(extent([])).toEqual([0, 1]);
  expect(extent([3, -1, 2])).toEqual([-1, 3]);
});

test("colours stay within their range", () => {
  expect(colour(-1)).toBe("#00224e");
  expect(colour(2)).toBe("#fee838");
});
