import { expect, test } from "vitest";
import { dayOfYear, DAYS, MONTHS, nightsOf } from "./calendar";

test("a date has the same place in every year, leap or not", () => {
  expect(dayOfYear("2023-01-01")).toBe(0);
  expect(dayOfYear("2023-03-01")).toBe(dayOfYear("2024-03-01"));
  expect(dayOfYear("2024-02-29")).toBe(59);
  expect(dayOfYear("2023-12-31")).toBe(DAYS - 1);
  expect(MONTHS).toHaveLength(12);
  expect(MONTHS[0]).toEqual([14, "Jan"]);
});

test("nights without a number are left out", () => {
  const rows = [{ bin_date: "2026-08-12", n: 7 }, { bin_date: "2026-08-13", n: null }];
  expect(nightsOf(rows, "n")).toEqual([
    { row: "2026", x: dayOfYear("2026-08-12"), value: 7, says: "2026-08-12: 7 trajectories" },
  ]);
});
