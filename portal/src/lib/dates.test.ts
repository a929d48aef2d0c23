import { expect, test } from "vitest";
import { dateOf, dayNumber, inYear, isDate, plusDays } from "./dates";

test("days are counted over the ends of months and years", () => {
  expect(plusDays("2026-12-31", 1)).toBe("2027-01-01");
  expect(plusDays("2024-03-01", -1)).toBe("2024-02-29");
  expect(dateOf(dayNumber("2026-08-13"))).toBe("2026-08-13");
});

test("a leap day has no other year", () => {
  expect(inYear("2024-02-29", 2023)).toBe("2023-02-28");
  expect(inYear("2024-02-28", 2023)).toBe("2023-02-28");
  expect(inYear("2026-08-13", 2020)).toBe("2020-08-13");
});

test("a day that is in no calendar is none", () => {
  expect(isDate("2024-02-29")).toBe(true);
  expect(isDate("2026-02-30")).toBe(false);
  expect(isDate("2026-99-99")).toBe(false);
});
