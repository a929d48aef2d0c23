import { expect, test } from "vitest";
import { read, toggled, written } from "./state";

test("an address is the page that it was made of", () => {
  for (const search of [
    "",
    "colour=silence&sensor=HR0010%2F1&sensor=HR0011%2Fa%2Fb&quantity=humidity_percent&quantity=pressure_hpa&last=86400",
    "sensor=A%2F1&from=2026-08-12T20%3A00%3A00.000Z&to=2026-08-13T04%3A00%3A00.000Z",
  ]) {
    expect(written(read(search))).toBe(search);
  }
});

test("what is no window is passed over", () => {
  for (const search of ["from=x&to=y", "from=2026-08-13&to=2026-08-12", "last=-1", "last=x", "last=1e30"]) {
    expect(read(search).window).toEqual({ lastS: 900 });
  }
  expect(read("sensor=A&sensor=B/").sensors).toEqual([]);
});

test("one more is chosen, and not any more; the first goes where there are too many", () => {
  expect(toggled(["a"], "b")).toEqual(["a", "b"]);
  expect(toggled(["a", "b"], "a")).toEqual(["b"]);
  expect(toggled(["a", "b"], "c", 2)).toEqual(["b", "c"]);
});
