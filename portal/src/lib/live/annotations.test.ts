import { expect, test } from "vitest";
import { around, notesOf, rowsOf, whenText } from "./annotations";

const base = { noted_by: null, noted_at_utc: "2026-08-13T00:00:00.000Z" };
const all = [
  { ...base, number: 3, station_code: "A", sensor_id: "2", begin_utc: "2026-08-12T22:00:00.000Z", end_utc: null, text: "sensor" },
  { ...base, number: 2, station_code: "A", sensor_id: null, begin_utc: "2026-08-12T20:00:00.000Z", end_utc: "2026-08-12T21:00:00.000Z", text: "span" },
  { ...base, number: 1, station_code: "AB", sensor_id: null, begin_utc: "2026-08-12T19:00:00.000Z", end_utc: null, text: "other" },
];
const at = (time: string): number => Date.parse(`2026-08-12T${time}Z`);
const texts = (sensors: string[], from: string, to: string): string[] =>
  notesOf(all, sensors, at(from), at(to)).map(({ n, of, text }) => `${n} ${of} ${text}`);

test("notes are of the sensors and the span that are shown, the earliest first", () => {
  expect(texts(["A/1"], "00:00", "23:00")).toEqual(["1 A span"]);
  expect(texts(["A/2", "AB/1"], "00:00", "23:00")).toEqual(["1 AB other", "2 A span", "3 A/2 sensor"]);
  expect(texts(["A/2"], "20:30", "20:40")).toEqual(["1 A span"]);
  expect(texts(["A/2"], "21:01", "21:59")).toEqual([]);
});

test("a note says when it was, its end without the date where that is the same", () => {
  const said = notesOf(all, ["A/2"], at("00:00"), at("23:00")).map(whenText);
  expect(said).toEqual(["2026-08-12 20:00:00 to 21:00:00", "2026-08-12 22:00:00"]);
});

test("a window around a note has it in its middle, and all of it", () => {
  const [note] = notesOf(all, ["A/1"], at("00:00"), at("23:00"));
  expect(note && around(note, at("20:00"), at("20:08"))).toEqual([at("19:30"), at("21:30")]);
  expect(note && around(note, at("00:00"), at("16:00"))).toEqual([at("18:30"), at("22:30")]);
});

test("flags that are near each other stand in rows", () => {
  expect(rowsOf([0, 5, 8, 30, 31], 20)).toEqual([0, 1, 2, 0, 1]);
});
