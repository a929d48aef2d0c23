import { expect, test } from "vitest";
import type { Operator, TableColumn } from "./directory";
import { operatorsOf, sign } from "./operators";
import { changed, facetOf, ofFacet, read, sortedBy, toggled, whole, withFacet, written } from "./selection";

const columns: TableColumn[] = [
  { name: "vgeo_km_s", kind: "number", unit: "km/s", meaning: "" },
  { name: "a__b", kind: "text", unit: null, meaning: "" },
  { name: "stations", kind: "list of texts", unit: null, meaning: "" },
  { name: "begun", kind: "timestamp", unit: null, meaning: "" },
];
const operators: Operator[] = ["exact", "gt", "not", "isnull", "contains", "arraycontains", "date"].map((name) => ({
  name, meaning: "", needs_value: name !== "isnull",
}));
const of = (search: string) => read(search, columns, operators);

test("an address of data is one of a page, and comes back as it was", () => {
  const search =
    "vgeo_km_s__gt=60&a__b=x&a__b__not=y+z%26&begun__isnull=&_where=1+%3D+1&_search=two+words&_sort_desc=vgeo_km_s" +
    "&_col=begun&_nocol=stations&_as_of=7&_facet=a__b&_facet_array=stations&_facet_date=begun&_size=20&_next=67%7E2E5%2Cx";
  const found = of(`?${search}`);
  expect(found.filters).toEqual([
    { column: "vgeo_km_s", operator: "gt", value: "60" },
    { column: "a__b", operator: "exact", value: "x" },
    { column: "a__b", operator: "not", value: "y z&" },
    { column: "begun", operator: "isnull", value: "" },
  ]);
  expect(written(found)).toBe(search);
});

test("what is not known goes to the server as it is, and how rows are written does not", () => {
  expect(written(of("?nothing__gt=1&_shape=array&_nl=on&_facet_size=max&vgeo_km_s__gt="))).toBe("nothing__gt=1&_facet_size=max");
});

test("a change begins with the first page; a download has all rows of one state", () => {
  const found = of("?_next=x&_size=20&_facet=a__b&a__b=x&_as_of=5");
  expect(written(changed(found, { search: "y" }))).toBe("a__b=x&_search=y&_as_of=5&_facet=a__b&_size=20");
  expect(whole(found, "9")).toBe("a__b=x&_as_of=9");
});

test("a column is sorted by upwards, downwards, and not any more", () => {
  let now = of("");
  const seen = [1, 2, 3].map(() => written((now = sortedBy(now, "begun"))));
  expect(seen).toEqual(["_sort=begun", "_sort_desc=begun", ""]);
});

test("values of facets are filters that go on and off", () => {
  const facet = facetOf(columns[2] as TableColumn);
  expect(facet).toEqual({ kind: "array", column: "stations" });
  expect(facetOf(columns[3] as TableColumn).kind).toBe("date");
  const on = toggled(withFacet(of(""), facet), ofFacet(facet, "UK0001"));
  expect(written(on)).toBe("stations__arraycontains=UK0001&_facet_array=stations");
  expect(written(withFacet(toggled(on, ofFacet(facet, "UK0001")), facet))).toBe("");
});

test("each kind has operators that go with it, and each has a sign", () => {
  expect(operatorsOf("number")).not.toContain("contains");
  expect(operatorsOf("list of texts")).toContain("arraycontains");
  expect(operatorsOf("timestamp")[0]).toBe("date");
  expect(operatorsOf("boolean")).toEqual(["exact", "isnull", "notnull"]);
  expect(operatorsOf("text").map(sign).every((said) => said !== "")).toBe(true);
});
