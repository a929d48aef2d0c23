import { expect, test } from "vitest";
import type { TableOf } from "./directory";
import { complete, inlined, placeOf, tablesIn, valuesOf } from "./sql";

function table(name: string, columns: string[]): TableOf {
  return {
    name, meaning: "", is_view: false, rows: 0, key: [], is_searched: false, suffixes: [],
    columns: columns.map((column) => ({ name: column, kind: "text", unit: null, meaning: "" })),
  };
}

const known = {
  tables: [table("trajectories", ["vgeo_km_s", "bin_date"]), table("stations", ["station_code"])],
  functions: [{ name: "solar_longitude_deg", call: "solar_longitude_deg(time)", meaning: "" }],
};
/** The cursor is where the | stands. */
function at(text: string, isAsked = false) {
  const place = text.indexOf("|");
  return complete(text.replace("|", ""), place, known, isAsked);
}
const labels = (text: string, isAsked = false) => at(text, isAsked)?.options.map((one) => one.label) ?? [];

test("columns are those of the tables that the text names, wherever they stand", () => {
  expect(labels("SELECT v| FROM trajectories")).toContain("vgeo_km_s");
  expect(labels("SELECT v| FROM trajectories")).not.toContain("station_code");
  expect(labels("SELECT | FROM trajectories JOIN stations s USING (x)", true)).toContain("station_code");
  expect(labels("SELECT s.| FROM stations AS s")).toEqual(["station_code"]);
  expect(at("SELECT s.sta| FROM stations s")?.from).toBe(9);
  expect(labels("SELECT x.| FROM stations AS s")).toEqual([]);
});

test("tables, functions and keywords are offered, and nothing unasked", () => {
  expect(labels("SELECT * FROM tr|")).toEqual(expect.arrayContaining(["trajectories", "solar_longitude_deg", "count", "WHERE"]));
  expect(at("SELECT sol|")?.options.find((one) => one.label === "solar_longitude_deg")?.apply).toBe("solar_longitude_deg(");
  expect(at("SELECT |")).toBeNull();
});

test("tables of another lake are named with it", () => {
  const others = { ...known, tables: [...known.tables, table("readings.sensors", ["sensor_id"])] };
  const said = (text: string) =>
    complete(text.replace("|", ""), text.indexOf("|"), others, false)?.options.map((one) => one.label) ?? [];
  expect(said("SELECT * FROM rea|")).toContain("readings.sensors");
  expect(said("SELECT * FROM readings.|")).toEqual(["sensors"]);
  expect(said("SELECT s| FROM readings.sensors")).toContain("sensor_id");
  expect(said("SELECT sensors.| FROM readings.sensors")).toEqual(["sensor_id"]);
  expect(said("SELECT s.| FROM readings.sensors AS s")).toEqual(["sensor_id"]);
});

test("in texts, comments and numbers nothing is completed", () => {
  for (const text of ["SELECT 'tr|", "SELECT 'a' -- tr|", "SELECT /* tr|", 'SELECT "tr|', "SELECT 1e|"]) {
    expect(at(text), text).toBeNull();
  }
  expect(at("SELECT 'it''s' AS x, t|")).not.toBeNull();
});

test("names of tables are read apart from what only looks like them", () => {
  const names = new Set(["trajectories", "stations"]);
  expect([...tablesIn("select * from Trajectories t, stations where 'from stations'", names)]).toEqual([
    ["trajectories", "trajectories"], ["t", "trajectories"], ["stations", "stations"],
  ]);
  expect(tablesIn("SELECT 'FROM trajectories' -- JOIN stations", names).size).toBe(0);
});

test("values that the text leaves open have names; casts, texts and times have none", () => {
  expect(valuesOf("SELECT x::DATE, ':no', \":no\" -- :no\nWHERE a > :speed AND b < :speed AND c = :other")).toEqual(["speed", "other"]);
  expect(valuesOf("SELECT '12:30:00'::TIME, :_as_of")).toEqual([]);
});

test("where an error is follows from what the server says", () => {
  const sql = "SELECT 1\nFROM trajectories\nWHERE vgeo > 3";
  expect(placeOf("Column vgeo not found. (Line 3, at: vgeo > 3)", sql)).toEqual({ from: 33, to: 37, line: 3 });
  const open = "SELECT 1 FROM t WHERE vgeo > :speed";
  expect(placeOf("Column vgeo not found. (Line 1, at: vgeo > $speed)", open)).toEqual({ from: 22, to: 26, line: 1 });
  expect(placeOf("Something else.", sql)).toBeNull();
  expect(placeOf("x (Line 9, at: y)", sql)).toBeNull();
  expect(placeOf("x (Line 2, at: )", sql)).toEqual({ from: 26, to: 26, line: 2 });
});

test("a query with values in it is one text", () => {
  expect(inlined("SELECT * FROM t WHERE a > ? AND b = ?", [1.5, "it's"])).toBe("SELECT * FROM t WHERE a > 1.5 AND b = 'it''s'");
  expect(inlined("SELECT ?", [])).toBe("SELECT ?");
});
