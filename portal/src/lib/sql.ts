/** Texts of SQL: the names of values in it, where an error is, and what fits at the cursor. */

import type { Directory } from "./directory";

/** What is no code: texts, names in quotes, comments. */
const NO_CODE = /'(?:[^']|'')*'?|"(?:[^"]|"")*"?|--[^\n]*|\/\*[\s\S]*?(?:\*\/|$)/g;

function code(sql: string): string {
  return sql.replace(NO_CODE, (text) => " ".repeat(text.length));
}

/** Names of values that the text leaves open: `:name`, not `::type`. */
export function valuesOf(sql: string): string[] {
  const found = [...code(sql).matchAll(/(?<![:\w]):([A-Za-z_]\w*)/g)].map(([, name = ""]) => name);
  return [...new Set(found)].filter((name) => !name.startsWith("_"));
}

export interface Span {
  from: number;
  to: number;
  line: number;
}

/** Where an error is, as the server says it: "(Line 2, at: vgeo)". */
export function placeOf(message: string, sql: string): Span | null {
  const found = /\(Line (\d+), at: ?([^\n]*)\)\.?(?:\s|$)/.exec(message);
  if (!found) return null;
  const line = Number(found[1]);
  const lines = sql.split("\n");
  const text = lines[line - 1];
  if (text === undefined) return null;
  const begin = lines.slice(0, line - 1).reduce((sum, one) => sum + one.length + 1, 0);
  const rest = (found[2] ?? "").replace(/\$(?=[A-Za-z_])/g, ":"); // as DuckDB calls open values
  const at = rest === "" ? text.length : text.indexOf(rest);
  if (at < 0) return { from: begin, to: begin + text.length, line };
  const word = /^\w+|^\S?/.exec(text.slice(at))?.[0] ?? "";
  return { from: begin + at, to: begin + at + word.length, line };
}

export interface Completion {
  label: string;
  kind: "table" | "column" | "function" | "keyword";
  detail?: string;
  info?: string;
  /** What is written instead of the label. */
  apply?: string;
}

export interface Completed {
  from: number;
  options: Completion[];
}

const KEYWORDS = (
  "SELECT FROM WHERE GROUP BY ORDER BY HAVING QUALIFY LIMIT OFFSET JOIN LEFT JOIN USING ON WITH AS AND OR NOT " +
  "IN BETWEEN LIKE ILIKE IS NULL DISTINCT CASE WHEN THEN ELSE END UNION ALL EXCEPT INTERSECT ASC DESC " +
  "NULLS LAST FILTER OVER PARTITION BY WINDOW CAST TRUE FALSE INTERVAL DATE TIMESTAMP EXCLUDE REPLACE"
).split(" ");

/** The functions of DuckDB that questions about meteors need, with what they take. */
const FUNCTIONS: readonly [string, string][] = [
  ["count", "count(*) or count(x)"], ["sum", "sum(x)"], ["avg", "avg(x)"], ["min", "min(x)"], ["max", "max(x)"],
  ["median", "median(x)"], ["stddev", "stddev(x)"], ["quantile_cont", "quantile_cont(x, 0.9)"],
  ["arg_min", "arg_min(x, by)"], ["arg_max", "arg_max(x, by)"], ["corr", "corr(y, x)"],
  ["regr_slope", "regr_slope(y, x)"], ["regr_intercept", "regr_intercept(y, x)"],
  ["approx_count_distinct", "approx_count_distinct(x)"], ["list", "list(x)"], ["string_agg", "string_agg(x, ', ')"],
  ["mode", "mode(x)"], ["abs", "abs(x)"], ["round", "round(x, digits)"], ["floor", "floor(x)"],
  ["ceil", "ceil(x)"], ["sqrt", "sqrt(x)"], ["exp", "exp(x)"], ["ln", "ln(x)"], ["log10", "log10(x)"],
  ["power", "power(x, y)"], ["sin", "sin(radians)"], ["cos", "cos(radians)"], ["atan2", "atan2(y, x)"],
  ["radians", "radians(deg)"], ["degrees", "degrees(rad)"], ["greatest", "greatest(a, b)"],
  ["least", "least(a, b)"], ["coalesce", "coalesce(a, b)"], ["nullif", "nullif(a, b)"],
  ["date_trunc", "date_trunc('month', time)"], ["date_part", "date_part('hour', time)"],
  ["year", "year(time)"], ["month", "month(time)"], ["strftime", "strftime(time, '%Y-%m')"],
  ["date_diff", "date_diff('second', from, to)"], ["epoch", "epoch(time)"], ["lower", "lower(text)"],
  ["upper", "upper(text)"], ["left", "left(text, n)"], ["length", "length(text)"],
  ["starts_with", "starts_with(text, begin)"], ["contains", "contains(text, part)"],
  ["regexp_matches", "regexp_matches(text, pattern)"], ["replace", "replace(text, from, to)"],
  ["list_contains", "list_contains(list, member)"], ["len", "len(list)"], ["unnest", "unnest(list)"],
  ["array_to_string", "array_to_string(list, ',')"], ["row_number", "row_number() OVER (...)"],
  ["rank", "rank() OVER (...)"], ["lag", "lag(x) OVER (...)"], ["lead", "lead(x) OVER (...)"],
];

/** Tables that the text names, each by its own name and by what it is called there. */
export function tablesIn(sql: string, known: ReadonlySet<string>): Map<string, string> {
  const found = new Map<string, string>();
  const named = /(?:\bFROM|\bJOIN|,)\s*([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)?)(?:\s+(?:AS\s+)?(?!(?:AS|ON|USING|NATURAL|LEFT|RIGHT|FULL|INNER|OUTER|CROSS|ASOF|JOIN)\b)([A-Za-z_]\w*))?/gi;
  for (const [, table = "", alias = ""] of code(sql).matchAll(named)) {
    const name = table.toLowerCase();
    if (!known.has(name)) continue;
    found.set(name.slice(name.indexOf(".") + 1), name);
    if (alias && !KEYWORDS.includes(alias.toUpperCase())) found.set(alias.toLowerCase(), name);
  }
  return found;
}

/** What fits where the cursor is; null within texts, comments and numbers, or where nothing was begun. */
export function complete(
  sql: string,
  at: number,
  of: Pick<Directory, "tables" | "functions">,
  isAsked: boolean,
): Completed | null {
  const before = code(sql).slice(0, at);
  // A text that is not closed is blank to its end.
  if (before.trimEnd().length < sql.slice(0, at).trimEnd().length) return null;
  const word = /(?:([A-Za-z_]\w*)\.)?([A-Za-z_]\w*)?$/.exec(before);
  const [whole = "", qualifier, begun = ""] = word ?? [];
  if (whole === "" && !isAsked) return null;
  if (/\d$/.test(before.slice(0, before.length - whole.length))) return null;
  const tables = new Map(of.tables.map((table) => [table.name, table]));
  const there = tablesIn(sql, new Set(tables.keys()));
  const from = at - begun.length;
  if (qualifier !== undefined) {
    const table = tables.get(there.get(qualifier.toLowerCase()) ?? qualifier.toLowerCase());
    if (table) return { from, options: columnsOf(table) };
    const within = of.tables.filter(({ name }) => name.startsWith(`${qualifier.toLowerCase()}.`));
    return within.length ? { from, options: within.map((one) => tableOf(one, qualifier.length + 1)) } : null;
  }
  const used = new Set(there.values());
  const columns = new Map(
    of.tables.filter(({ name }) => used.has(name)).flatMap(columnsOf).map((one) => [one.label, one]),
  );
  return {
    from,
    options: [
      ...columns.values(),
      ...of.tables.map((one) => tableOf(one)),
      ...of.functions.map(({ name, call, meaning }): Completion =>
        ({ label: name, kind: "function", detail: call, info: meaning, apply: `${name}(` })),
      ...FUNCTIONS.map(([name, call]): Completion =>
        ({ label: name, kind: "function", detail: call, apply: `${name}(` })),
      ...KEYWORDS.map((label): Completion => ({ label, kind: "keyword" })),
    ],
  };
}

/** A table, without what stands before its name already. */
function tableOf({ name, meaning, is_view }: Directory["tables"][number], from = 0): Completion {
  return { label: name.slice(from), kind: "table", detail: is_view ? "view" : "table", info: meaning };
}

function columnsOf({ name: table, columns }: Directory["tables"][number]): Completion[] {
  return columns.map(({ name, unit, meaning }) => ({
    label: name, kind: "column", detail: unit ?? table, info: meaning,
  }));
}

/** A query of the server's, whose `?` stand for values, as a text that can be asked again. */
export function inlined(sql: string, values: readonly unknown[]): string {
  const parts = sql.split("?");
  if (parts.length !== values.length + 1) return sql;
  return parts.reduce((text, part, n) => `${text}${literal(values[n - 1])}${part}`);
}

function literal(value: unknown): string {
  if (value === null || value === undefined) return "NULL";
  if (typeof value === "number" || typeof value === "boolean") return String(value);
  return `'${String(value).replaceAll("'", "''")}'`;
}
