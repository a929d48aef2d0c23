import { expect, test } from "vitest";
import { lasted, marksOf, timeText } from "./spans";

const at = Date.parse("2026-08-12T21:59:30Z");

test("an axis of a minute has seconds, one of a day hours and dates", () => {
  expect(marksOf(at, at + 60_000, 6).map(({ text }) => text)).toEqual(
    ["21:59:30", "21:59:40", "21:59:50", "22:00:00", "22:00:10", "22:00:20", "22:00:30"]);
  expect(marksOf(at, at + 86_400_000, 5).map(({ text }) => text)).toEqual(["08-13", "06:00", "12:00", "18:00"]);
});

test("an axis of years has years", () => {
  const marks = marksOf(Date.UTC(2016, 5, 1), Date.UTC(2026, 5, 1), 6);
  expect(marks.map(({ text }) => text)).toEqual(["2018", "2020", "2022", "2024", "2026"]);
  expect(marksOf(Date.UTC(2026, 0, 1), Date.UTC(2026, 5, 1), 6).map(({ text }) => text)).toContain("2026-03");
});

test("times and how long something lasted", () => {
  expect(timeText(at)).toBe("2026-08-12 21:59:30");
  expect(timeText(at, 300)).toBe("2026-08-12 21:59");
  expect([lasted(5.4), lasted(600), lasted(7200), lasted(864_000)]).toEqual(["5 s", "10 min", "2 h", "10 days"]);
});
