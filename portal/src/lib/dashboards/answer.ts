/** Asking what a panel wants to know. */

import { get, stateOf, type Column, type Row } from "../api";
import { ask } from "../objects/asking";
import { answerTo } from "../sql_answer";
import type { Request } from "./request";

export interface PanelAnswer {
  rows: Row[];
  columns: Column[];
  /** Whether there were more rows than were told. */
  isCut: boolean;
  snapshot: string;
  /** When the state that was asked was committed (an HTTP date). */
  committed: string | null;
}

let oldest: Promise<number> | null = null;

/** Since when (ms) states of the warehouse are kept; Infinity where there is none. */
export function keptSince(): Promise<number> {
  oldest ??= get("/gmn/states.json").then(([body]) => {
    const last = (body as { states: { committed_at_utc: string }[] }).states.at(-1);
    return last ? Date.parse(last.committed_at_utc) : Infinity;
  }).catch(() => {
    oldest = null;
    return Infinity;
  });
  return oldest;
}

/** Raises Problem. */
export async function answerOf(request: Request, signal: AbortSignal): Promise<PanelAnswer> {
  const known = new Map(request.columns.map((one) => [one.name, one]));
  const named = (columns: readonly Column[]): Column[] =>
    columns.map(({ name, unit, description }) => known.get(name) ?? {
      name, ...(unit ? { unit } : {}), ...(description ? { description } : {}),
    });
  if (request.form === "sql") {
    const found = await answerTo(request.path.slice(request.path.indexOf("?") + 1), signal);
    return { ...found, columns: named(found.columns), isCut: found.truncated };
  }
  if (request.form === "objects") {
    const told = await ask<{ rows: Row[]; columns: Column[] }>(request.path, { signal });
    return { rows: told.rows, columns: named(told.columns), isCut: false, snapshot: "", committed: null };
  }
  const [body, response] = await get(request.path, signal);
  if (request.form === "count") {
    const { filtered_table_rows_count: count } = body as { filtered_table_rows_count: number | null };
    return {
      rows: count === null ? [] : [{ count }], columns: named([{ name: "count" }]), isCut: false, snapshot: stateOf(response),
      committed: response.headers.get("Last-Modified"),
    };
  }
  const told = body as { rows: Row[]; columns: (Column | string)[]; next?: string | null };
  const columns = told.columns.map((one) => (typeof one === "string" ? { name: one } : one));
  return {
    rows: told.rows, columns: named(columns), isCut: (told.next ?? null) !== null, snapshot: stateOf(response),
    committed: response.headers.get("Last-Modified"),
  };
}
