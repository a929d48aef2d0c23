import { expect, test } from "vitest";
import { named, read, renamed, saved, without } from "./saved_views";

const [a, b] = [{ name: "a", address: "/live" }, { name: "b", address: "/readings/sensors" }];

test("views are in the order of their names, and a name is one view's", () => {
  expect(saved(saved([], b), a)).toEqual([a, b]);
  expect(saved([a, b], { name: "a", address: "/live?last=60" })).toEqual([{ name: "a", address: "/live?last=60" }, b]);
  expect(without([a, b], "a")).toEqual([b]);
});

test("a view that is renamed keeps its address", () => {
  expect(renamed([a, b], "a", "c")).toEqual([b, { name: "c", address: "/live" }]);
  expect(renamed([a, b], "a", "b")).toEqual([{ name: "b", address: "/live" }]);
  expect(renamed([a], "x", "b")).toEqual([a]);
  expect(named("  wet \n lenses ")).toBe("wet lenses");
});

test("what else stands in the browser's storage is no view", () => {
  expect(read(JSON.stringify([a, b]))).toEqual([a, b]);
  for (const text of [null, "", "{", "{}", "[1, null]", '[{"name": "x", "address": "//example.org"}]',
    '[{"name": "x", "address": "javascript:1"}]']) expect(read(text)).toEqual([]);
});
