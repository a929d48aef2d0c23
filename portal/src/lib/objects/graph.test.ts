import { expect, test } from "vitest";
import { graphOf, pageOfEnd, short } from "./graph";

const row = (from: [number, string, string], link: string, to: [number, string, string]) => ({
  source_steps: from[0], source_kind: from[1], source: from[2], link,
  target_steps: to[0], target_kind: to[1], target: to[2],
});

test("ends stand in the column of their steps, each once, and lines lead between them", () => {
  const image: [number, string, string] = [0, "image", "cams/ff/a.fits"];
  const { columns, lines, left } = graphOf([
    row(image, "station", [1, "station", "US0001"]), row(image, "night", [1, "night", "2022-03-04"]),
    row([1, "station", "US0001"], "station", [2, "image", "cams/ff/b.fits"]),
    row([1, "night", "2022-03-04"], "night", [2, "image", "cams/ff/b.fits"]),
  ]);
  expect(columns.map((column) => column.map(({ what }) => what))).toEqual([
    ["cams/ff/a.fits"], ["US0001", "2022-03-04"], ["cams/ff/b.fits"],
  ]);
  expect(lines.map(({ from, to, kind }) => [from.what, kind, to.what])).toHaveLength(4);
  expect(left).toBe(0);
});

test("what finds no room is counted, and no line leads to it", () => {
  const rows = Array.from({ length: 5 }, (_, n) => row([0, "station", "US0001"], "station", [1, "image", `p/c/${n}`]));
  const { columns, lines, left } = graphOf(rows, 3);
  expect([columns[1]?.length, lines.length, left]).toEqual([3, 3, 2]);
  expect(graphOf([])).toEqual({ columns: [], lines: [], left: 0 });
});

test("each end leads to its page", () => {
  expect(pageOfEnd("night", "2022-03-04")).toBe("/gmn/nights/2022-03-04");
  expect(pageOfEnd("image", "cams/ff/in/a b.fits")).toBe("/objects/cams/ff?object=in%2Fa+b.fits");
  expect(pageOfEnd("label", "streak")).toBeUndefined();
  expect(short(`in/${"x".repeat(40)}.fits`)).toHaveLength(30);
});
