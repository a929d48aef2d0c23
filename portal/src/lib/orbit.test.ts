import { expect, test } from "vitest";
import { anomalyAt, placeAt, PLANETS, points, seen, type Place } from "./orbit";

const earth = PLANETS.find((planet) => planet.name === "Earth");
const length = ([x, y, z]: Place): number => Math.hypot(x, y, z);

test("the Earth is nearest to the Sun early in January", () => {
  if (!earth) throw new Error("no Earth");
  const january = length(placeAt(earth.elements, anomalyAt(earth, 2459583.5))); // 2022-01-04
  const july = length(placeAt(earth.elements, anomalyAt(earth, 2459764.5))); // 2022-07-04
  expect(january).toBeCloseTo(0.98333, 4);
  expect(july).toBeCloseTo(1.01671, 4);
});

test("a meteoroid was where the Earth was", () => {
  // Sample trajectory 20220304220741_yrPTs of the network, at its true anomaly.
  if (!earth) throw new Error("no Earth");
  const at = placeAt(earth.elements, anomalyAt(earth, 2459643.42201));
  const elements = { q: length(at), e: 0.5, i: 0, peri: 0, node: (Math.atan2(at[1], at[0]) * 180) / Math.PI };
  const there = placeAt(elements, 0);
  expect(Math.hypot(there[0] - at[0], there[1] - at[1])).toBeLessThan(1e-4);
});

test("an orbit that leaves is cut off, a closed one is whole", () => {
  const closed = points({ q: 1, e: 0, i: 0, peri: 0, node: 0 }, 5);
  expect(length(closed[0] ?? [0, 0, 0])).toBeCloseTo(1);
  const open = points({ q: 0.5, e: 1.2, i: 60, peri: 30, node: 100 }, 5);
  expect(length(open[0] ?? [0, 0, 0])).toBeCloseTo(5);
  expect(length(open.at(-1) ?? [0, 0, 0])).toBeCloseTo(5);
  expect(Math.min(...open.map(length))).toBeCloseTo(0.5, 3);
  expect(points({ q: 9, e: 0.1, i: 0, peri: 0, node: 0 }, 5)).toEqual([]);
});

test("from above one sees the ecliptic as it is", () => {
  expect(seen([1, 0, 5], 0, 90)[0]).toBeCloseTo(1);
  expect(seen([0, 1, 5], 0, 90)[1]).toBeCloseTo(-1);
  expect(seen([0, 1, 5], 0, 0)[1]).toBeCloseTo(-5);
});
