import { expect, test } from "vitest";
import { pointsOf, runsOf, withReading } from "./points";

const begin = Date.parse("2026-08-12T22:00:00Z");
const series = {
  series: "A/1/t", station_code: "A", sensor_id: "1", quantity: "t", label: "T", unit: "deg C",
  points: [
    ["2026-08-12T22:00:00.000Z", 2, 1, 2, 3, 3, "2026-08-12T22:00:50.000Z"],
    ["2026-08-12T22:01:00.000Z", 1, 4, 4, 4, 4, "2026-08-12T22:01:10.000Z"],
  ] as [string, number, number, number, number, number, string][],
};

test("a step of one reading is drawn where that was measured, others in their middle", () => {
  expect(pointsOf(series, 60).map(({ at }) => (at - begin) / 1000)).toEqual([30, 70]);
});

test("a reading joins its step, begins a new one, and finds its place when it is late", () => {
  const points = pointsOf(series, 60);
  const joined = withReading(points, { at: begin + 80_000, value: 8, committed: 0 }, 60);
  expect(joined[1]).toMatchObject({ count: 2, least: 4, mean: 6, greatest: 8, last: 8 });
  const begun = withReading(points, { at: begin + 121_000, value: 5, committed: 0 }, 60);
  expect(begun.map(({ count }) => count)).toEqual([2, 1, 1]);
  const late = withReading(points, { at: begin - 1000, value: 9, committed: 0 }, 60);
  expect(late.map(({ last }) => last)).toEqual([9, 3, 4]);
  const older = withReading(points, { at: begin + 61_000, value: 0, committed: 0 }, 60);
  expect(older[1]).toMatchObject({ count: 2, least: 0, last: 4 });
});

test("what was told already is not counted twice", () => {
  const points = pointsOf(series, 60);
  expect(withReading(points, { at: begin + 70_000, value: 4, committed: 0 }, 60)).toEqual(points);
});

test("a line has a gap where nothing came", () => {
  let points = pointsOf(series, 60);
  for (const s of [130, 190, 600, 660]) {
    points = withReading(points, { at: begin + s * 1000, value: 1, committed: 0 }, 60);
  }
  expect(runsOf(points, 60).map((run) => run.length)).toEqual([4, 2]);
});
