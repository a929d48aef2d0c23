import { expect, test } from "vitest";
import { fieldsOf, linksOf, mergePatch, metadataOf, typedOf, wordsOf } from "./saying";

const SCHEMA = {
  required: ["gain"],
  properties: {
    gain: { type: "number", minimum: 0, title: "Gain" }, lens: { type: "string", description: "which one" },
    filter: { enum: ["none", "IR", 3] }, is_cloudy: { type: "boolean" }, camera: { type: "object" }, any: {},
  },
};

test("simple properties of a schema get inputs, all else stays JSON", () => {
  const fields = fieldsOf(SCHEMA);
  expect(fields.map(({ name, kind, isRequired }) => [name, kind, isRequired])).toEqual([
    ["gain", "number", true], ["lens", "text", false], ["filter", "choice", false], ["is_cloudy", "choice", false],
  ]);
  expect(fields[0]?.title).toBe("Gain");
  for (const none of [null, undefined, 1, "x", [], { properties: [] }, { properties: { a: 1 } }]) expect(fieldsOf(none)).toEqual([]);
});

test("what a form says is what was said, unless somebody changes it", () => {
  const fields = fieldsOf(SCHEMA);
  const before = { gain: 4.5, lens: "wide", filter: 3, is_cloudy: false, camera: { id: 1 } };
  const typed = Object.fromEntries(fields.map((one) => [one.name, typedOf(one, before[one.name as keyof typeof before]) ?? ""]));
  expect(metadataOf(fields, typed, '{"camera": {"id": 1}}')).toEqual(before);
  expect(metadataOf(fields, { ...typed, lens: "" }, "")).toEqual({ gain: 4.5, filter: 3, is_cloudy: false });
  expect([typedOf(fields[0]!, "a text"), typedOf(fields[1]!, "two\nlines"), typedOf(fields[2]!, "x")]).toEqual([null, null, null]);
  expect(() => metadataOf(fields, typed, "[1]")).toThrow(SyntaxError);
  expect(() => metadataOf(fields, typed, "{")).toThrow(SyntaxError);
});

test("a patch says what changes, and null for what goes", () => {
  const before = { a: 1, b: { c: 1, d: 2 }, e: [1], f: 1 };
  expect(mergePatch(before, before)).toEqual({});
  expect(mergePatch(before, { a: 2, b: { c: 1 }, e: [1, 2], g: "x" })).toEqual({ a: 2, b: { d: null }, e: [1, 2], f: null, g: "x" });
});

test("words and links have commas between", () => {
  expect(wordsOf(" a, b ,a,, ")).toEqual(["a", "b"]);
  expect(linksOf("station:US0001, x")).toEqual([{ kind: "station", key: "US0001" }, { kind: "x", key: "" }]);
});
