import { expect, test } from "vitest";
import { readBrush, readState, selectionQuery, seconds, stateQuery, tableFilters, yearBefore, type Axis, type View } from "./state";

const axis = (more: Partial<Axis>): Axis => ({
  title: "", unit: null, sql: "vgeo_km_s", column: "vgeo_km_s", from: 0, to: 80, bins: 80, isCircular: false,
  isTime: false, isClosed: false, ...more,
});
const view = (name: string, kind: View["kind"], ...axes: Axis[]): View => ({ name, title: name, kind, axes, bins: 80, labels: [] });
const round = { sql: "solar_longitude_deg", column: "solar_longitude_deg", to: 360, isCircular: true, isClosed: true };
const VIEWS = [
  view("speed", "interval", axis({})),
  view("time", "interval", axis({ sql: "epoch(beginning_utc_time)", column: "beginning_utc_time", isTime: true })),
  view("solar_longitude", "interval", axis(round)),
  view("mass", "interval", axis({ sql: "CASE WHEN mass_kg > 0 THEN log10(mass_kg) END", column: null })),
  view("shower", "category"), view("station", "members"),
];

test("an address says again what it was read from", () => {
  for (const address of [
    "",
    "_brush=speed:30:45.5",
    "vgeo_km_s__gt=20&_brush=ground:-10:5:40:60&_brush=shower:PER,...",
    "_brush=time:2025-01-01:2025-01-02T12:30:00&_as_of=2026-01-01T00:00:00Z",
    "_zoom=magnitude:-3:2&_sky=radiant_equatorial",
    "_brush=speed:1:2&_compare=_brush%3Dspeed:2:3",
  ]) {
    expect(stateQuery(readState(address))).toBe(address);
  }
});

test("what is none is passed over", () => {
  for (const text of ["", "speed", "speed:", "speed:x:2", "speed:1", "speed:1:2:3", "time:1:2", "shower:", "shower:,"]) {
    expect(readBrush(text), text).toBeNull();
  }
  expect(readState("?_brush=speed&_sky=nothing&_compare=").compare).toEqual({ brushes: {}, filters: [], asOf: "" });
  expect(readState("?_sky=nothing").sky).toBe("radiant_sun_centred");
});

test("parameters of the server are the selection's alone", () => {
  const state = readState("vgeo_km_s__gt=20&_brush=speed:1:2&_zoom=speed:0:3&_sky=radiant_equatorial&_as_of=7");
  expect(String(selectionQuery(state))).toBe("vgeo_km_s__gt=20&_brush=speed%3A1%3A2&_as_of=7");
});

test("a selection is a filter of the table", () => {
  const filters = (address: string) => tableFilters(readState(address), VIEWS);
  expect(filters("_brush=speed:30:45.5&iau_shower_code=PER")).toEqual({
    iau_shower_code: "PER", vgeo_km_s__gte: "30", vgeo_km_s__lt: "45.5",
  });
  expect(filters("_brush=time:2025-01-01:2025-02-01")).toEqual({
    beginning_utc_time__gte: "2025-01-01", beginning_utc_time__lt: "2025-02-01",
  });
  expect(filters("_brush=solar_longitude:300:360")).toEqual({
    solar_longitude_deg__gte: "300", solar_longitude_deg__lte: "360",
  });
  expect(filters("_brush=solar_longitude:350:10")).toEqual({
    _where: "(solar_longitude_deg >= 350 OR solar_longitude_deg < 10)",
  });
  expect(filters("_brush=mass:-3:0")["_where"]).toBe(
    "(CASE WHEN mass_kg > 0 THEN log10(mass_kg) END) >= -3 AND (CASE WHEN mass_kg > 0 THEN log10(mass_kg) END) < 0",
  );
  expect(filters("_brush=station:UK0001,UK0002&_brush=shower:PER")).toEqual({
    iau_shower_code__in: "PER", participating_stations__arraycontainsany: "UK0001,UK0002",
  });
  // Both hold where a filter is there already.
  expect(filters("vgeo_km_s__gte=40&_brush=speed:30:50")).toEqual({
    vgeo_km_s__gte: "40", vgeo_km_s__lt: "50", _where: "vgeo_km_s >= 30",
  });
  expect(filters("vgeo_km_s__gt=40&vgeo_km_s__gt=50")).toEqual({ vgeo_km_s__gt: "40", _where: "vgeo_km_s > '50'" });
  expect(filters("iau_shower_code__in=GEM&_brush=shower:O'R")["_where"]).toBe("iau_shower_code IN ('O''R')");
});

test("a year before is the same dates", () => {
  const before = yearBefore(readState("_brush=time:2025-03-01:2026-01-01&_brush=speed:1:2"));
  expect(before?.brushes["time"]).toEqual({ spans: [[seconds("2024-03-01"), seconds("2025-01-01")]] });
  expect(before?.brushes["speed"]).toEqual({ spans: [[1, 2]] });
  expect(yearBefore(readState("_brush=speed:1:2"))).toBeNull();
});
