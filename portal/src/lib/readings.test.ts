import { expect, test } from "vitest";
import { readingsAddress, toldBy, type Quantity, type Sensor } from "./readings";

const quantity = (name: string): Quantity => ({ name, label: name.toUpperCase(), meaning: null, unit: "x", sensors: 0 });
const sensor = (values: Record<string, number>): Sensor => ({
  station_code: "A", sensor_id: "1", latitude_deg: null, longitude_deg: null, height_m: null,
  last_measured_at_utc: null, last_heard_at_utc: null, values,
});

test("the quantities that are told come in the usual order, those that nobody knows after", () => {
  const known = ["t", "h", "p"].map(quantity);
  const told = toldBy([sensor({ z: 1, p: 2 }), sensor({ t: 0, a: 1 })], known);
  expect(told.map(({ label }) => label)).toEqual(["T", "P", "a", "z"]);
});

test("an address has a parameter as often as it has values", () => {
  expect(readingsAddress("series", "csv", { series: ["a/1/t", "b/1/t"], from: "", points: 5 })).toBe(
    "/readings/series.csv?series=a%2F1%2Ft&series=b%2F1%2Ft&points=5");
});
