import { describe, expect, it } from "vitest";
import type { Filter, Panel } from "./document";
import { drawingOf } from "./drawn";
import type { Known } from "./request";
import {
  cellsOf, conditionsIn, followed, isFollowed, isIn, saidOf, selectedOf, selecting, spanOf, withConditions, type Selected,
} from "./selecting";

const own: Filter[] = [
  { name: "shower", label: "Shower", kind: "shower", operator: "exact", columns: ["iau_shower_code", "shower"], value: "PER" },
  { name: "since", label: "From", kind: "date", operator: "gte", columns: ["bin_date", "since"] },
];
const column = (name: string) => ({ name, kind: "text" as const, unit: null, description: "" });
const known = {
  tables: [{ name: "trajectories", columns: ["iau_shower_code", "bin_date", "vgeo_km_s"].map(column) }],
  questions: [{ name: "nights", parameters: [{ name: "since" }] }], hasReadings: false,
} as unknown as Known;
const of = (id: string, x: string, more: Partial<Panel> = {}): Panel =>
  ({ id, mark: "bar", width: 6, x, question: { from: "table", table: "trajectories", group: [{ column: x }] }, ...more });
const nights: Panel = { id: "nights", mark: "line", width: 6, question: { from: "ready", question: "nights" } };
const panels = [of("a", "iau_shower_code"), of("b", "vgeo_km_s"), nights];

function cells(panel: Panel, values: (string | number)[]) {
  const name = panel.x ?? "";
  const rows = values.map((value, n) => ({ [name]: value, count: n + 1 }));
  const drawing = drawingOf({ ...panel, y: ["count"] }, rows, [{ name }, { name: "count" }]);
  if (!drawing) throw new Error("nothing is drawn");
  return { drawing, found: cellsOf(panel, drawing, rows) };
}

describe("what is selected", () => {
  it("is the dashboard's own filter for a value, and conditions for a range", () => {
    const values = selecting("iau_shower_code", { value: "GEM" }, own, { shower: "PER" });
    expect([values["shower"], values["iau_shower_code"]]).toEqual(["GEM", undefined]);
    expect(selectedOf("iau_shower_code", own, values)).toEqual({ value: "GEM" });
    const range: Selected = { from: "20", to: "40", isOpen: true };
    const ranged = selecting("vgeo_km_s", range, own, values);
    expect([ranged["vgeo_km_s__gte"], ranged["vgeo_km_s__lt"], ranged["vgeo_km_s__lte"]]).toEqual(["20", "40", ""]);
    expect(selectedOf("vgeo_km_s", own, ranged)).toEqual(range);
    expect(selectedOf("vgeo_km_s", own, selecting("vgeo_km_s", null, own, ranged))).toBeNull();
    const closed = selecting("vgeo_km_s", { ...range, isOpen: false }, own, ranged);
    expect([closed["vgeo_km_s__lt"], closed["vgeo_km_s__lte"]]).toEqual(["", "40"]);
  });

  it("is read from an address, as far as a panel knows it", () => {
    const names = ["shower", "vgeo_km_s__gte", "bin_date__gte", "utm_source", "version", "gone__lt", "vgeo_km_s__like", "a b"];
    const found = withConditions(names, own, panels, known);
    expect(found.slice(own.length).map((one) => [one.name, one.operator, one.columns])).toEqual([
      ["vgeo_km_s__gte", "gte", ["vgeo_km_s"]], ["bin_date__gte", "gte", ["bin_date", "since"]],
    ]);
    expect(conditionsIn(found, own, { vgeo_km_s__gte: "20", bin_date__gte: "" })).toEqual([
      { column: "vgeo_km_s", says: "from 20 km/s", names: ["vgeo_km_s__gte"] },
    ]);
  });

  it("is not followed by the panel itself, as the dashboard's own ranges are", () => {
    const filters = withConditions(["vgeo_km_s__gte", "bin_date__gte"], own, panels, known);
    const names = (panel: Panel): string[] => followed(panel, filters, own).map(({ name }) => name);
    expect(names(of("a", "iau_shower_code"))).toEqual(["since", "vgeo_km_s__gte", "bin_date__gte"]);
    expect(names(of("b", "bin_date"))).toEqual(["shower", "since", "vgeo_km_s__gte"]);
    expect(names(nights)).toHaveLength(4);
  });

  it("is nothing where no other panel follows", () => {
    const can = (panel: Panel, name: string, isRange: boolean): boolean => isFollowed(panel, name, isRange, own, panels, known);
    expect(can(panels[0] as Panel, "iau_shower_code", false)).toBe(true);
    expect(can(panels[1] as Panel, "solar_longitude_deg", true)).toBe(false);
    expect(isFollowed(panels[0] as Panel, "iau_shower_code", false, own, panels.slice(0, 1), known)).toBe(false);
    expect(can(panels[0] as Panel, "version", false)).toBe(false);
  });
});

describe("places along a drawing", () => {
  it("are names, steps of numbers, and days, months or hours", () => {
    const names = cells(of("a", "s"), ["PER", "...", "GEM"]);
    expect(names.found.map(({ x, from }) => [x, from])).toEqual([[0, "PER"], [1, "..."], [2, "GEM"]]);
    expect(isIn(names.found[1] as never, { value: "..." }, names.drawing)).toBe(true);
    expect(isIn(names.found[1] as never, { from: "A", to: "Z", isOpen: false }, names.drawing)).toBe(false);

    const histogram = cells(of("h", "v", { mark: "histogram", step: 0.1 }), [0.1, 0.3, 0.2]);
    expect(histogram.found.map(({ from, to }) => [from, to])).toEqual([["0.1", "0.2"], ["0.2", "0.3"], ["0.3", "0.4"]]);
    const span = spanOf(histogram.found, 0, 1);
    expect(histogram.found.map((one) => isIn(one, span, histogram.drawing))).toEqual([true, true, false]);

    const grouped = (step: "day" | "month" | "hour") => (values: string[]) =>
      cells(of("t", "t", { question: { from: "table", table: "trajectories", group: [{ column: "t", step }] } }), values);
    expect(grouped("month")(["2024-02-01", "2023-12-01"]).found.map(({ from, to }) => [from, to])).toEqual([
      ["2023-12-01", "2023-12-31"], ["2024-02-01", "2024-02-29"],
    ]);
    expect(grouped("hour")(["2026-08-12 23:00:00", "2026-08-12 22:00:00"]).found[1]).toMatchObject({ to: "2026-08-13T00:00:00Z", isOpen: true });
    const days = grouped("day")(["2026-08-12", "2026-08-13", "2026-08-14"]);
    expect(days.found.map((one) => isIn(one, spanOf(days.found, 1, 1), days.drawing))).toEqual([false, true, false]);
    // A day selected elsewhere has all its hours.
    const hours = grouped("hour")(["2026-08-12 23:00:00", "2026-08-13 00:00:00", "2026-08-13 23:00:00", "2026-08-14 00:00:00"]);
    expect(hours.found.map((one) => isIn(one, spanOf(days.found, 1, 1), hours.drawing))).toEqual([false, true, true, false]);
  });

  it("are said with their unit", () => {
    expect(saidOf("vgeo_km_s", { from: "20", to: "40", isOpen: true })).toBe("20 to 40 km/s");
    expect(["...", "MTZ"].map((value) => saidOf("iau_shower_code", { value }))).toEqual(["sporadic", "MTZ"]);
    expect(saidOf("at_utc", { value: "2026-08-12T22:00:00Z" })).toBe("2026-08-12 22:00:00");
    expect(saidOf("bin_date", { from: "2026-08-12", to: "", isOpen: false })).toBe("from 2026-08-12");
    expect(saidOf("bin_date", { from: "", to: "2026-08-12", isOpen: false })).toBe("up to 2026-08-12");
  });
});
