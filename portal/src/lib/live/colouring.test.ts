import { expect, test } from "vitest";
import type { Sensor } from "../readings";
import { colouring, isSilent } from "./colouring";

const now = Date.parse("2026-08-12T22:00:00Z");
const sensor = (told: number | null, heard: string | null): Sensor => ({
  station_code: "HR0010", sensor_id: "1", latitude_deg: 45, longitude_deg: 15, height_m: 100,
  last_measured_at_utc: heard, last_heard_at_utc: heard, values: told === null ? {} : { t: told },
});
const some = Array.from({ length: 100 }, (_, n) => sensor(n, "2026-08-12T21:59:59Z"));

test("one value far off does not make all others look alike", () => {
  const of = colouring("t", undefined, [...some, sensor(1e6, null)], now, true);
  expect(of.of(sensor(2, null))).toBe(of.steps[0]);
  expect(of.of(sensor(98, null))).toBe(of.steps.at(-1));
  expect([of.from, of.to]).toEqual(["2", "98"]);
  expect(of.of(sensor(null, null))).toBeNull();
});

test("silence grows from a second to a day", () => {
  const of = colouring("silence", undefined, some, now, true);
  expect(of.of(sensor(1, "2026-08-12T22:00:00Z"))).toBe(of.steps[0]);
  expect(of.of(sensor(1, "2026-08-10T22:00:00Z"))).toBe(of.steps.at(-1));
  expect(of.says(of.value(sensor(1, "2026-08-12T21:30:00Z")))).toBe("silent for 30 min");
  expect(isSilent(sensor(1, "2026-08-12T21:49:59Z"), now)).toBe(true);
  expect(isSilent(sensor(1, "2026-08-12T21:50:01Z"), now)).toBe(false);
});
