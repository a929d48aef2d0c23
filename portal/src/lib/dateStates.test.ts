import { expect, test } from "vitest";
import { cellsOf, counted, months, withWaiting, years } from "./dateStates";

const rows = [
  { bin_date: "2025-12-31", state: "loaded", trajectories: 5 },
  { bin_date: "2026-01-01", state: "no bin", trajectories: 0 },
  { bin_date: "2026-01-04", state: "missing", trajectories: 0 },
  { bin_date: "2026-01-05", state: "revised", trajectories: 7 },
];

test("weeks begin on Mondays", () => {
  expect(years(rows)).toEqual([2026, 2025]);
  expect(cellsOf(rows, 2026).map(({ week, weekday }) => [week, weekday])).toEqual([[0, 3], [0, 6], [1, 0]]);
  expect(months(2026)[0]).toEqual({ name: "Jan", week: 0 });
  expect(months(2026)[1]?.week).toBe(4);
});

test("dates are counted by what became of them", () => {
  expect([...counted(rows)]).toEqual([
    ["loaded", 1], ["revised", 1], ["with rejected rows", 0], ["failed", 0], ["landed, not loaded", 0],
    ["missing", 1], ["no bin", 1],
  ]);
});

test("what was landed and is not loaded is told of dates that had come, and of those after the last", () => {
  const all = withWaiting(rows, [
    { bin_date: "2026-01-06", state: "landed", stage: null },
    { bin_date: "2026-01-05", state: "failed", stage: "merge" },
  ]);
  expect(all.map((row) => [row["bin_date"], row["state"]])).toEqual([
    ["2025-12-31", "loaded"], ["2026-01-01", "no bin"], ["2026-01-04", "missing"], ["2026-01-05", "failed"],
    ["2026-01-06", "landed, not loaded"],
  ]);
  expect(cellsOf(all, 2026).at(-2)).toMatchObject({ state: "failed", trajectories: 7 });
});
