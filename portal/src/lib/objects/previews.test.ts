import { expect, test } from "vitest";
import { fitsHeader, preview, table, wanted } from "./previews";
import { address, pageOf, size } from "./asking";

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

test("a FITS header is its cards up to END", () => {
  const card = (text: string): string => text.padEnd(80);
  const file = `${card("SIMPLE  =                    T")}${card("")}${card("NAXIS   =                    2")}${card("END")}${"x".repeat(80)}`;
  expect(fitsHeader(bytes(file))).toBe("SIMPLE  =                    T\nNAXIS   =                    2\nEND");
});

test("separated values are rows, quotes and all, without what was cut off", () => {
  expect(table('a,b\r\n"x,""y\n",2\n3', ",", true)).toEqual([["a", "b"], ['x,"y\n', "2"], ["3"]]);
  expect(table("a\tb\n1\t2\n3", "\t", false)).toEqual([["a", "b"], ["1", "2"]]);
});

test("JSON is set out if all of it is there, and nothing else is shown of other files", () => {
  expect(preview("application/json", bytes('{"a":1}'), 7)).toEqual({ kind: "text", text: '{\n  "a": 1\n}', isWhole: true });
  expect(preview("application/json", bytes('{"a'), 9)).toEqual({ kind: "text", text: '{"a', isWhole: false });
  expect(preview("application/zip", bytes("x"), 1)).toEqual({ kind: "none" });
  expect(wanted("text/html")).toBeGreaterThan(0); // as text
});

test("addresses keep every character of a name", () => {
  const one = { project: "cams", container: "ff", name: "a b/ä#?.fits" };
  expect(address(one, "_about")).toBe("/objects/_about/cams/ff/a%20b/%C3%A4%23%3F.fits");
  expect(pageOf("cams", "ff", { folder: "a b/", object: "" })).toBe("/objects/cams/ff?folder=a+b%2F");
  expect([size(0), size(999), size(1400), size(2.5e9), size(123456)]).toEqual(["0 bytes", "999 bytes", "1.4 kB", "2.5 GB", "123 kB"]);
});
