import { expect, test } from "vitest";
import { empty } from "../selection";
import { hasSpan, histogramQuery, within } from "./discover";

const begin = Date.parse("2026-08-12T20:00:00Z");
const station = { column: "station_code", operator: "exact", value: "HR0010" };

test("a span becomes two filters, in place of those before", () => {
  const one = within({ ...empty(), filters: [station], next: "x" }, [begin, begin + 3_600_000]);
  expect(one.filters.map(({ operator, value }) => `${operator} ${value}`)).toEqual(
    ["exact HR0010", "gte 2026-08-12T20:00:00.000Z", "lt 2026-08-12T21:00:00.000Z"]);
  expect(one.next).toBe("");
  expect(within(one, [begin, begin + 1000]).filters).toHaveLength(3);
  expect(within(one, null).filters).toEqual([station]);
  expect([hasSpan(one), hasSpan(within(one, null))]).toEqual([true, false]);
});

test("the histogram is asked for with all filters, and their span", () => {
  const one = within({ ...empty(), filters: [station] }, [begin, begin + 3_600_000]);
  const query = new URLSearchParams(histogramQuery(one, 50));
  expect(query.get("station_code")).toBe("HR0010");
  expect(query.get("from")).toBe("2026-08-12T20:00:00.000Z");
  expect(query.get("to")).toBe("2026-08-12T21:00:00.000Z");
  const typed = { column: "measured_at_utc", operator: "gt", value: "2026-08-12 20:00:00" };
  expect(new URLSearchParams(histogramQuery({ ...empty(), filters: [typed] }, 50)).get("from"))
    .toBe("2026-08-12T20:00:00.000Z");
});
