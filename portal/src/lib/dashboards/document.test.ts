import { describe, expect, it } from "vitest";
import { embedCode, searchOf, valuesOf } from "./address";
import { added, blank, freshId, moved, sized, tidy, without, wrongWith, type Document, type Filter, type Panel } from "./document";
import { begun, changed, redone, undone } from "./undo";

const panel = (id: string, more: Partial<Panel> = {}): Panel =>
  ({ id, mark: "line", width: 6, question: { from: "ready", question: "nights" }, ...more });
const of = (...panels: Panel[]): Document => ({ version: 1, title: "t", panels });
const ids = ({ panels }: Document): string => panels.map(({ id }) => id).join("");

describe("a document", () => {
  const three = of(panel("a"), panel("b"), panel("c"));

  it("is changed into another one", () => {
    expect(ids(moved(three, "a", 2))).toBe("bca");
    expect(ids(moved(three, "c", -5))).toBe("cab");
    expect(moved(three, "a", 0)).toBe(three);
    expect(moved(three, "x", 1)).toBe(three);
    expect(ids(without(three, "b"))).toBe("ac");
    expect(ids(added(three, panel("d"), "a"))).toBe("adbc");
    expect(ids(added(three, panel("d")))).toBe("abcd");
    expect(ids(three)).toBe("abc");
    expect(freshId([panel("p2"), panel("p3")])).toBe("p4");
  });

  it("has panels no narrower and no wider than there is room", () => {
    expect(sized(three, "a", 99).panels[0]?.width).toBe(12);
    expect(sized(three, "a", -99).panels[0]?.width).toBe(3);
    expect(sized(three, "x", 1)).toBe(three);
  });

  it("says what it lacks", () => {
    expect(wrongWith(blank())).toMatch(/no title/);
    expect(wrongWith(three)).toBe("");
    const filter: Filter = { name: "shower", label: "Shower", kind: "shower", operator: "exact", columns: ["shower"] };
    expect(wrongWith({ ...three, filters: [filter, filter] })).toMatch(/one name/);
    expect(wrongWith({ ...three, filters: [{ ...filter, name: "embed" }] })).toMatch(/cannot be called/);
    expect(wrongWith(of(panel("a", { question: { from: "sql", sql: " " } })))).toMatch(/no SQL/);
  });

  it("is sent without what says nothing", () => {
    const sent = tidy({ ...of(panel("a", { title: "", y: [], mark: "text", text: "" })), description: "", filters: [] });
    expect(sent).toEqual({ version: 1, title: "t", panels: [{ id: "a", mark: "text", width: 6, text: "" }] });
  });
});

describe("undo", () => {
  it("goes back and forth, and letters of one word are one change", () => {
    let now = begun("a");
    now = changed(now, "ab");
    now = changed(now, "abc", true);
    expect(undone(now).now).toBe("a");
    expect(redone(undone(now)).now).toBe("abc");
    expect(undone(undone(undone(now))).now).toBe("a");
    expect(redone(now)).toBe(now);
    expect(changed(undone(now), "x").after).toEqual([]);
    expect(changed(now, "abc")).toBe(now);
  });
});

describe("the state of filters", () => {
  const filters: Filter[] = [
    { name: "shower", label: "Shower", kind: "shower", operator: "exact", columns: ["shower"], value: "PER" },
    { name: "since", label: "Since", kind: "date", operator: "gte", columns: ["bin_date"] },
  ];

  it("stands in the address, but for what is as it begins", () => {
    expect(valuesOf("", filters)).toEqual({ shower: "PER", since: "" });
    expect(valuesOf("?shower=&since=2026-08-13", filters)).toEqual({ shower: "", since: "2026-08-13" });
    expect(searchOf({ shower: "PER", since: "" }, filters)).toBe("");
    expect(searchOf({ shower: "", since: "" }, filters, { embed: "1", theme: "" })).toBe("?shower=&embed=1");
    const values = { shower: "a&b=c", since: "" };
    expect(valuesOf(searchOf(values, filters), filters)).toEqual(values);
  });

  it("and a title gets out of no attribute", () => {
    expect(embedCode("http://x/?a=1&b=2", '"><script>')).toBe(
      '<iframe src="http://x/?a=1&amp;b=2" title="&quot;&gt;&lt;script&gt;" width="100%" height="800" loading="lazy"></iframe>');
  });
});
