/** The answer to a query in SQL. */

import { authorization } from "./token";
import { get, stateOf, type Column, type Row, type Value } from "./api";
import { OF_DRAWING } from "./drawing_address";

export interface SqlAnswer {
  columns: Column[];
  rows: Row[];
  truncated: boolean;
  snapshot: string;
  committed: string | null;
}

/** What an address says of a query: its text, and the values of its names. */
export function asked(search: string): { sql: string; values: Record<string, string>; asOf: string } {
  const said = new URLSearchParams(search);
  const own = new Set<string>(["sql", "_as_of", ...OF_DRAWING]);
  const values = Object.fromEntries([...said].filter(([name]) => !own.has(name) && !name.startsWith("_")));
  return { sql: said.get("sql") ?? "", values, asOf: said.get("_as_of") ?? "" };
}

export function queryOf(sql: string, values: Record<string, string>, asOf: string): string {
  return String(new URLSearchParams([...Object.entries(values), ...(asOf ? [["_as_of", asOf]] : []), ["sql", sql]]));
}

/** Raises Problem. */
export async function answerTo(query: string, signal: AbortSignal): Promise<SqlAnswer> {
  // What is answered of objects depends on who asks.
  const headers = /objects/i.test(query) ? authorization() : {};
  const [body, response] = await get(`/gmn.json?${query}`, signal, headers);
  const told = body as { columns: string[]; rows: Value[][]; truncated: boolean };
  const names = distinct(told.columns);
  return {
    columns: names.map((name) => ({ name })),
    rows: told.rows.map((row) => Object.fromEntries(names.map((name, n) => [name, flat(row[n] ?? null)]))),
    truncated: told.truncated,
    snapshot: stateOf(response),
    committed: response.headers.get("Last-Modified"),
  };
}

/** Names, each once: a second `n` is `n (2)`. */
export function distinct(names: readonly string[]): string[] {
  const seen = new Set<string>();
  return names.map((name) => {
    let [now, n] = [name, 1];
    while (seen.has(now)) now = `${name} (${++n})`;
    seen.add(now);
    return now;
  });
}

/** Structures of DuckDB as text. */
function flat(value: unknown): Value {
  if (value === null || ["string", "number", "boolean"].includes(typeof value)) return value as Value;
  if (Array.isArray(value) && value.every((one) => typeof one === "string")) return value;
  return JSON.stringify(value);
}
