import { expect, test } from "vitest";
import { label, measured, number, shown, unitOf, utc } from "./format";

test("numbers have a true minus, thin spaces and no negative zero", () => {
  expect(number(1234567.891, 1)).toBe("1\u2009234\u2009567.9");
  expect(number(-12.5, 1)).toBe("\u221212.5");
  expect(number(-0.001, 2)).toBe("0.00");
  expect(number(null)).toBe("–");
  expect(number(Number.NaN)).toBe("–");
});

test("a value has the digits that its uncertainty allows", () => {
  expect(measured(59.12345, 0.1832)).toBe("59.12 ± 0.18");
  expect(measured(59.12345, 12.3)).toBe("59 ± 12");
  expect(measured(59.12345, 0.0000001)).toBe("59.123450 ± 0.000000");
  expect(measured(59.1, null)).toBe("59.1");
  expect(measured(59.1, 0)).toBe("59.1");
  expect(measured(null, 0.1)).toBe("–");
});

test("what an answer holds is shown as it is", () => {
  expect(shown(["UK0001", "UK0002"])).toBe("UK0001, UK0002");
  expect(shown(true)).toBe("yes");
  expect(shown(0.25)).toBe("0.25");
  expect(shown("2026-08-13T22:04:18.712345Z")).toBe("2026-08-13 22:04:18.7");
  expect(shown(null)).toBe("–");
});

test("times lose their zone, which is always UTC", () => {
  expect(utc("2026-08-13T22:04:18Z")).toBe("2026-08-13 22:04:18");
  expect(utc("2026-08-13 22:04:18.999999")).toBe("2026-08-13 22:04:18.9");
});

test("a unit is not said twice", () => {
  expect(label("begin_height_km")).toBe("begin height");
  expect(label("vgeo_km_s")).toBe("geocentric speed");
  expect(unitOf("begin_height_km")).toBe("km");
  expect(unitOf("trajectories")).toBeUndefined();
  expect(unitOf("peak_absolute_magnitude", "mag")).toBe("mag");
  expect([label("lens_temperature_deg_c"), unitOf("lens_temperature_deg_c")]).toEqual(["lens temperature", "deg C"]);
  expect([label("wind_speed_m_s"), unitOf("wind_speed_m_s")]).toEqual(["wind speed", "m/s"]);
  expect(label("station_count")).toBe("station count");
});
