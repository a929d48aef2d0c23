import { describe, expect, it } from "vitest";
import type { Kind, TableOf } from "../directory";
import type { Filter, Panel, Question } from "./document";
import { isKeepable, keptAt, requestOf, type Known } from "./request";
import { condition, literal } from "./sql_of";

const table = (name: string, columns: [string, Kind, string | null][]): TableOf => ({
  name, meaning: "", is_view: false, rows: null, key: [], is_searched: false, suffixes: [],
  columns: columns.map(([column, kind, unit]) => ({ name: column, kind, unit, meaning: "" })),
});
const known: Known = {
  hasReadings: false,
  tables: [table("trajectories", [
    ["iau_shower_code", "text", null], ["vgeo_km_s", "number", "km/s"], ["beginning_utc_time", "timestamp", null],
    ["participating_stations", "list of texts", null],
  ])],
  questions: [{ name: "activity", title: "", description: "", sql: "", parameters: [
    { name: "shower", type: "text", meaning: "", unit: null, default: "PER", is_required: false, choices: [] }] }],
};
const filter = (name: string, operator: string, ...columns: string[]): Filter => ({ name, label: name, kind: "text", operator, columns });
const filters = [
  filter("shower", "exact", "iau_shower_code", "shower"), filter("until", "lte", "bin_date", "beginning_utc_time"),
  filter("station", "exact", "participating_stations"),
];
const panel = (question: Question, more: Partial<Panel> = {}): Panel => ({ id: "a", mark: "line", width: 6, question, ...more });
const asked = (one: Panel, values: Record<string, string> = {}, asOf = ""): URL =>
  new URL(requestOf(one, filters, values, known, asOf)?.path ?? "", "http://x");
const rows = { from: "table", table: "trajectories" } as const;

describe("what a panel asks", () => {
  it("is a page of a table with the filters that it knows", () => {
    const found = asked(panel({ ...rows, where: [{ column: "vgeo_km_s", operator: "gt", value: "58" }], sort: { column: "vgeo_km_s", descends: true } }),
      { shower: "PER", until: "2026-08-13", station: "UK0001" });
    expect(found.pathname).toBe("/gmn/trajectories.json");
    expect(Object.fromEntries(found.searchParams)).toMatchObject({
      vgeo_km_s__gt: "58", iau_shower_code: "PER", participating_stations__arraycontains: "UK0001",
      beginning_utc_time__lte: "2026-08-13T23:59:59.999999", _sort_desc: "vgeo_km_s", _size: "max",
    });
  });

  it("is the server's own count where only that is wanted", () => {
    const found = asked(panel({ ...rows, values: [{ function: "count" }] }, { mark: "number" }), { shower: "PER" });
    expect(found.search).toBe("?iau_shower_code=PER&_size=0&_nosuggest=on");
  });

  it("is SQL where rows are put together", () => {
    const question = { ...rows, group: [{ column: "vgeo_km_s", step: 2 }, { column: "beginning_utc_time", step: "day" }],
      values: [{ function: "mean", column: "vgeo_km_s" }], sort: { column: "mean_vgeo_km_s", descends: true } } as const satisfies Question;
    const one = panel({ ...question, group: [...question.group], values: [...question.values] });
    expect(asked(one, { shower: "O'B" }, "9").searchParams.get("_as_of")).toBe("9");
    expect(asked(one, { shower: "O'B" }).searchParams.get("sql")).toBe([
      "SELECT round(floor(vgeo_km_s / 2) * 2, 9) AS vgeo_km_s, CAST(date_trunc('day', beginning_utc_time) AS DATE) AS beginning_utc_time, avg(vgeo_km_s) AS mean_vgeo_km_s",
      "FROM trajectories",
      "WHERE iau_shower_code = 'O''B' AND vgeo_km_s IS NOT NULL AND beginning_utc_time IS NOT NULL",
      "GROUP BY 1, 2", "ORDER BY 3 DESC", "LIMIT 1000",
    ].join("\n"));
    expect(requestOf(one, [], {}, known)?.columns.at(-1)).toMatchObject({ name: "mean_vgeo_km_s", unit: "km/s" });
    const histogram = panel(rows, { mark: "histogram", x: "vgeo_km_s", step: 0.5 });
    expect(asked(histogram).searchParams.get("sql")).toContain("round(floor(vgeo_km_s / 0.5) * 0.5, 9) AS vgeo_km_s, count(*) AS count");
  });

  it("is somebody's SQL with the filters that it names", () => {
    const found = asked(panel({ from: "sql", sql: "SELECT :shower AS a, ':untilx'" }), { shower: "", until: "2026-08-13" });
    expect([...found.searchParams.keys()].sort()).toEqual(["shower", "sql"]);
  });

  it("is a ready question with its own parameters, over which filters go", () => {
    const found = asked(panel({ from: "ready", question: "activity", parameters: { shower: "GEM", other: "x" } }), { shower: "PER" });
    expect(found.pathname + found.search).toBe("/gmn/queries/activity.json?shower=PER");
    expect(asked(panel({ from: "objects", by: "day" })).href).toBe("http://x/objects/_use?by=day");
    expect(requestOf({ id: "a", mark: "text", width: 6, text: "" }, [], {}, known)).toBeNull();
  });

  it("is said to be none where it cannot be asked", () => {
    const wrong: [Panel, RegExp][] = [
      [panel({ from: "table", table: "gone" }), /no table gone/],
      [panel({ from: "table", table: "readings.sensors" }), /no readings/],
      [panel({ from: "ready", question: "gone" }), /no ready question/],
      [panel({ ...rows, group: [{ column: "gone" }] }), /no column gone/],
      [panel({ ...rows, where: [{ column: "vgeo_km_s", operator: "gt", value: "fast" }], group: [{ column: "vgeo_km_s" }] }), /no number/],
      [panel(rows, { mark: "histogram" }), /Choose/],
    ];
    for (const [one, said] of wrong) expect(() => requestOf(one, [], {}, known)).toThrow(said);
  });

  it("may be of the same state for all who ask in a span", () => {
    expect(keptAt(3600, Date.parse("2026-08-13T22:59:59.9Z"))).toBe("2026-08-13T22:00:00Z");
    expect(keptAt(3600, Date.parse("2026-08-13T22:00:00Z"))).toBe("2026-08-13T22:00:00Z");
    expect(isKeepable(panel(rows))).toBe(true);
    expect(isKeepable(panel({ from: "sql", sql: "SELECT 1 FROM readings.sensors" }))).toBe(false);
    expect(isKeepable(panel({ from: "objects", by: "day" }))).toBe(false);
    expect(isKeepable(panel({ from: "sql", sql: "SELECT name FROM objects.catalogue" }))).toBe(false); // depends on who asks
  });
});

describe("values in SQL", () => {
  it("stay values", () => {
    expect(literal("'; DROP TABLE x; --", "text")).toBe("'''; DROP TABLE x; --'");
    expect(literal(" -1.5e3 ", "number")).toBe("-1.5e3");
    expect(() => literal("1; DROP", "number")).toThrow();
    expect(literal("2026-08-13' OR 1=1", "date")).toBe("CAST('2026-08-13'' OR 1=1' AS DATE)");
    expect(() => condition({ column: "a b", operator: "exact", value: "" }, "text")).toThrow();
    expect(condition({ column: "c", operator: "in", value: "a, b" }, "text")).toBe("c IN ('a', 'b')");
    expect(condition({ column: "c", operator: "isnull", value: "" }, "number")).toBe("c IS NULL");
    expect(() => condition({ column: "c", operator: "near", value: "" }, "text")).toThrow(/operator/);
  });
});
