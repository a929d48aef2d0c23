import { lexer } from "marked";
import { describe, expect, it } from "vitest";
import type { Panel } from "./document";
import { drawingOf, titleOf } from "./drawn";
import { linkOf, plainOf, tokensOf } from "./prose";

const panel = (more: Partial<Panel>): Panel => ({ id: "a", mark: "line", width: 6, question: { from: "sql", sql: "x" }, ...more });
const names = (...all: string[]) => all.map((name) => ({ name }));

describe("what is drawn of an answer", () => {
  it("is by itself what can be, and as it is chosen", () => {
    const rows = [{ d: "2026-08-12", n: 1, m: 2 }, { d: "2026-08-13", n: 3, m: null }];
    const found = drawingOf(panel({}), rows, names("d", "n", "m"));
    expect([found?.shape, found?.lines[0]?.points.length]).toEqual(["time", 2]);
    const both = drawingOf(panel({ x: "d", y: ["n", "m", "gone"] }), rows, names("d", "n", "m"));
    expect([both?.lines.map(({ name }) => name), both?.left]).toEqual([["n", "m"], 1]);
    expect(drawingOf(panel({}), [{ t: "a" }], names("t"))).toBeNull();
    expect(drawingOf(panel({ mark: "table" }), rows, names("d"))).toBeNull();
  });

  it("has a series for each value, eight at most, and says so", () => {
    const rows = Array.from({ length: 20 }, (_, n) => ({ x: n, y: n, s: `s${n % 10}` }));
    const found = drawingOf(panel({ x: "x", y: ["y"], series: "s" }), rows, names("x", "y", "s"));
    expect([found?.lines.length, found?.series, found?.left]).toEqual([8, 10, 0]);
  });

  it("follows from how rows are put together, if nobody chose", () => {
    const rows = [{ d: "2026-08-12", c: "PER", count: 3, mean_v: 1 }, { d: "2026-08-12", c: "GEM", count: 2, mean_v: 2 }];
    const columns = names("d", "c", "count", "mean_v");
    const group = [{ column: "d" }, { column: "c" }];
    const values = [{ function: "count" as const }, { function: "mean" as const, column: "v" }];
    const two = drawingOf(panel({ question: { from: "table", table: "t", group, values } }), rows, columns);
    expect([two?.shape, two?.lines.map(({ name }) => name)]).toEqual(["time", ["PER", "GEM"]]);
    const one = drawingOf(panel({ question: { from: "table", table: "t", group: group.slice(0, 1), values } }), rows, columns);
    expect(one?.lines.map(({ name }) => name)).toEqual(["count", "mean v"]);
  });

  it("stands bars of several series beside each other, each at its name", () => {
    const rows = [{ c: "PER", n: 1, m: null }, { c: "GEM", n: 2, m: 5 }];
    const found = drawingOf(panel({ mark: "bar", x: "c", y: ["n", "m"] }), rows, names("c", "n", "m"));
    expect(found?.names).toEqual(["PER", "GEM"]);
    expect(found?.lines.map(({ points }) => points.map(({ x }) => x))).toEqual([[-0.25, 0.75], [1.25]]);
    expect(found?.step).toBe(0.5);
  });

  it("counts what was not counted in a histogram", () => {
    const rows = [{ v: 1.2 }, { v: 1.9 }, { v: 3 }, { v: null }];
    const found = drawingOf(panel({ mark: "histogram", x: "v", step: 1 }), rows, names("v"));
    expect([found?.lines[0]?.points, found?.left]).toEqual([[{ x: 1.5, y: 2 }, { x: 3.5, y: 1 }], 1]);
    const counted = drawingOf(panel({ mark: "histogram", x: "v", step: 1, question: { from: "table", table: "t" } }),
      [{ v: 1, count: 7 }], names("v", "count"));
    expect(counted?.lines[0]?.points).toEqual([{ x: 1.5, y: 7 }]);
  });

  it("calls an aggregate by what it is of", () => {
    const made = [{ name: "mean_vgeo_km_s", description: "mean of geocentric speed" }, { name: "mean_mean", description: "mean of mean" }];
    expect(titleOf(made, "mean_vgeo_km_s")).toBe("geocentric speed (mean)");
    expect(titleOf(made, "mean_mean")).toBe("mean");
    expect(titleOf(names("mean_ra_deg"), "mean_ra_deg")).toBe("mean ra");
  });
});

describe("a text somebody typed", () => {
  it("leads to pages only, and HTML in it is letters", () => {
    const links = (text: string) => tokensOf(lexer(text)[0] as never).map(linkOf as never);
    expect(links("[a](https://x.org) [b](/gmn) [c](javascript:alert(1)) [d](//x.org) [e](data:text/html,x)")
      .filter((one) => one !== undefined)).toEqual(["https://x.org", "/gmn"]);
    const [html] = lexer("<img src=x onerror=alert(1)>");
    expect(html && plainOf(html)).toContain("<img");
  });
});
