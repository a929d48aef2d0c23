import { expect, test } from "vitest";
import { axis, drawable, firstChoice, plotted, shapeOf } from "./results";
import { keyOf, trajectoryOf } from "./row_key";
import { distinct } from "./sql_answer";
import { modern } from "./tables";

const columns = [{ name: "bin_date" }, { name: "code" }, { name: "vgeo_km_s" }, { name: "n" }];
const rows = [
  { bin_date: "2026-08-13", code: "PER", vgeo_km_s: 59.1, n: 3 },
  { bin_date: "2026-08-12", code: "...", vgeo_km_s: null, n: 4 },
];

test("what can be drawn follows from the values", () => {
  expect(columns.map(({ name }) => shapeOf(rows, name))).toEqual(["time", "text", "number", "number"]);
  expect(shapeOf([{ a: true }], "a")).toBe("other");
  expect(firstChoice(drawable(columns, rows))).toEqual({ x: "bin_date", y: "vgeo_km_s", kind: "line" });
  expect(firstChoice(drawable([{ name: "code" }], rows))).toBeNull();
});

test("rows without a value are left out, and counted", () => {
  const byDate = plotted(rows, { x: "bin_date", y: "vgeo_km_s", kind: "line" }, "time");
  expect(byDate).toMatchObject({ left: 1, names: null, step: 1 });
  expect(byDate.points[0]?.x).toBe(Date.UTC(2026, 7, 13) / 86_400_000);
  expect(plotted(rows, { x: "code", y: "n", kind: "bars" }, "text")).toMatchObject({
    names: ["PER", "..."], points: [{ x: 0, y: 3 }, { x: 1, y: 4 }], left: 0,
  });
});

test("axes have names and units", () => {
  expect(axis(columns, "vgeo_km_s")).toBe("geocentric speed [km/s]");
  expect(axis([{ name: "x", unit: "mag" }], "x")).toBe("x [mag]");
  expect(axis(columns, "bin_date", "time")).toBe("date (UTC)");
});

test("a key is written as a page's _next has it", () => {
  const table = {
    name: "t", meaning: "", is_view: false, rows: 0, is_searched: false, suffixes: [], key: ["a", "b", "c"],
    columns: [{ name: "b", kind: "timestamp" as const, unit: null, meaning: "" }],
  };
  expect(keyOf(table, { a: "x.y,é", b: "2026-11-28T22:27:11.255903Z", c: null })).toBe(
    "x~2Ey~2C~C3~A9,2026-11-28T22~3A27~3A11~2E255903,$null",
  );
  expect(keyOf(table, { a: 1, b: "x" })).toBeNull();
  expect(keyOf(table, { a: true, b: "x", c: -5 })).toBe("1,x,-5");
});

test("the trajectory of a row is found by either name", () => {
  expect(trajectoryOf("meteor", { id: "20220304220741_yrPTs" })).toBe("20220304220741_yrPTs");
  expect(trajectoryOf("stations", { id: "20220304220741_yrPTs" })).toBeNull();
  expect(modern([{ id: "i", latbeg_n_deg: 1 }])[0]).toMatchObject({ trajectory_identifier: "i", begin_latitude_deg: 1 });
});

test("columns of one name are told apart", () => {
  expect(distinct(["n", "n", "n (2)", "m"])).toEqual(["n", "n (2)", "n (2) (2)", "m"]);
});
