/** Which rows and columns of a table a page shows: its address says so, in the grammar of the data.
 *
 * What the portal does not know of is kept as it stands, so that any address of data is one of a page.
 */

import type { Operator, TableColumn } from "./directory";

export interface Filter {
  column: string;
  operator: string;
  value: string;
}

export interface Facet {
  kind: "column" | "array" | "date";
  column: string;
}

export interface Selection {
  filters: Filter[];
  /** Conditions in SQL. */
  where: string[];
  search: string;
  sort: { column: string; descends: boolean } | null;
  /** Columns to show; all of them if there are none here. */
  columns: string[];
  without: string[];
  facets: Facet[];
  size: string;
  asOf: string;
  /** Row after which the page begins. */
  next: string;
  /** Parameters that only the server knows. */
  rest: [string, string][];
}

const FACETS = { column: "_facet", array: "_facet_array", date: "_facet_date" } as const;
/** How rows are written is no part of which they are. */
const OF_DATA = new Set(["_shape", "_nl", "_nocount"]);

export function empty(): Selection {
  return {
    filters: [], where: [], search: "", sort: null, columns: [], without: [], facets: [], size: "", asOf: "",
    next: "", rest: [],
  };
}

export function read(
  search: string,
  columns: readonly TableColumn[],
  operators: readonly Operator[],
): Selection {
  const found = empty();
  const names = new Set(columns.map((column) => column.name));
  const known = new Map(operators.map((operator) => [operator.name, operator]));
  for (const [name, value] of new URLSearchParams(search)) {
    const filter = filterOf(name, value, names, known);
    if (filter) {
      if (value !== "" || known.get(filter.operator)?.needs_value === false) found.filters.push(filter);
    } else if (value === "" || OF_DATA.has(name)) continue;
    else if (name === "_where") found.where.push(value);
    else if (name === "_search") found.search = value;
    else if (name === "_sort") found.sort = { column: value, descends: false };
    else if (name === "_sort_desc") found.sort = { column: value, descends: true };
    else if (name === "_col") found.columns.push(value);
    else if (name === "_nocol") found.without.push(value);
    else if (name === FACETS.column) found.facets.push({ kind: "column", column: value });
    else if (name === FACETS.array) found.facets.push({ kind: "array", column: value });
    else if (name === FACETS.date) found.facets.push({ kind: "date", column: value });
    else if (name === "_size") found.size = value;
    else if (name === "_as_of") found.asOf = value;
    else if (name === "_next") found.next = value;
    else found.rest.push([name, value]);
  }
  return found;
}

function filterOf(
  name: string,
  value: string,
  names: ReadonlySet<string>,
  known: ReadonlyMap<string, Operator>,
): Filter | null {
  if (names.has(name)) return { column: name, operator: "exact", value };
  const at = name.lastIndexOf("__");
  const [column, operator] = [name.slice(0, at), name.slice(at + 2)];
  return at > 0 && names.has(column) && known.has(operator) ? { column, operator, value } : null;
}

/** The name by which a filter is asked for. */
export function parameter({ column, operator }: Filter): string {
  return operator === "exact" ? column : `${column}__${operator}`;
}

/** What follows the question mark, in an order that is always the same. */
export function written(of: Selection): string {
  return String(new URLSearchParams([...rows(of), ...page(of)]));
}

/** The same without what is of a page only: for downloads of all rows. */
export function whole(of: Selection, snapshot: string): string {
  const pairs = rows(of).filter(([name]) => name !== "_as_of");
  return String(new URLSearchParams([...pairs, ["_as_of", snapshot]]));
}

function rows(of: Selection): [string, string][] {
  return [
    ...of.filters.map((one): [string, string] => [parameter(one), one.value]),
    ...of.where.map((text): [string, string] => ["_where", text]),
    ...some("_search", of.search),
    ...(of.sort ? some(of.sort.descends ? "_sort_desc" : "_sort", of.sort.column) : []),
    ...of.columns.map((name): [string, string] => ["_col", name]),
    ...of.without.map((name): [string, string] => ["_nocol", name]),
    ...some("_as_of", of.asOf),
  ];
}

function page(of: Selection): [string, string][] {
  return [
    ...of.facets.map(({ kind, column }): [string, string] => [FACETS[kind], column]),
    ...some("_size", of.size),
    ...of.rest,
    ...some("_next", of.next),
  ];
}

function some(name: string, value: string): [string, string][] {
  return value === "" ? [] : [[name, value]];
}

/** The same rows by another order, or another selection: it begins with its first page. */
export function changed(of: Selection, by: Partial<Selection>): Selection {
  return { ...of, next: "", ...by };
}

/** By a column: ascending, then descending, then as the table has them. */
export function sortedBy(of: Selection, column: string): Selection {
  if (of.sort?.column !== column) return changed(of, { sort: { column, descends: false } });
  return changed(of, { sort: of.sort.descends ? null : { column, descends: true } });
}

export function isSame(one: Filter, other: Filter): boolean {
  return one.column === other.column && one.operator === other.operator && one.value === other.value;
}

/** With a filter, or without it where it is there. */
export function toggled(of: Selection, filter: Filter): Selection {
  const others = of.filters.filter((one) => !isSame(one, filter));
  const filters = others.length < of.filters.length ? others : [...of.filters, filter];
  return changed(of, { filters });
}

/** The filter of one value of a facet. */
export function ofFacet({ kind, column }: Facet, value: string): Filter {
  return { column, operator: { column: "exact", array: "arraycontains", date: "date" }[kind], value };
}

export function withFacet(of: Selection, facet: Facet): Selection {
  const others = of.facets.filter((one) => one.kind !== facet.kind || one.column !== facet.column);
  return changed(of, { facets: others.length < of.facets.length ? others : [...of.facets, facet] });
}

/** What of a column's values can be counted. */
export function facetOf({ name, kind }: TableColumn): Facet {
  if (kind === "list of texts") return { kind: "array", column: name };
  return { kind: kind === "timestamp" ? "date" : "column", column: name };
}
