/** Asking the server: the public addresses that everyone can use, and nothing beside them. */

import { authorization } from "./token";

export type Value = string | number | boolean | null | string[];
export type Row = Record<string, Value>;

export interface Column {
  name: string;
  unit?: string;
  description?: string;
}

/** Rows of one state of the warehouse, and how to ask for them again. */
export interface Answer {
  rows: Row[];
  columns: Column[];
  /** Name of the state that was asked: its number, and what tells it from another one of that number. */
  snapshot: string;
  /** When that state was committed (an HTTP date), as far as the server said. */
  committed: string | null;
  /** Where the rows came from, without what comes after the dot. */
  base: string;
  parameters: Parameters;
  /** Where the next page of a table is. */
  next?: string;
}

export type Parameters = Record<string, string | number | readonly string[] | undefined>;

/** What the server said of a request that failed. */
export class Problem extends Error {
  constructor(
    readonly status: number,
    message: string,
    /** After so many seconds it may go better, as far as the server says. */
    readonly retryAfterS: number | null = null,
  ) {
    super(message);
  }
}

export function address(base: string, suffix: string, parameters: Parameters): string {
  const given = Object.entries(parameters).filter(([, value]) => value !== undefined && value !== "");
  const query = new URLSearchParams(
    given.flatMap(([name, value]) =>
      typeof value === "object" ? value.map((one) => [name, one]) : [[name, String(value)]],
    ),
  );
  return `${base}.${suffix}${given.length ? `?${query}` : ""}`;
}

/** Raises Problem. */
export async function get(
  path: string, signal?: AbortSignal, headers: Record<string, string> = {},
): Promise<[unknown, Response]> {
  const response = await fetch(path, { headers, ...(signal ? { signal } : {}) });
  const body: unknown = await response.json().catch(() => null);
  if (!response.ok) {
    const said = (body ?? {}) as { detail?: string; title?: string };
    const after = Number(response.headers.get("Retry-After") ?? NaN);
    const detail = said.detail ?? said.title ?? `Status ${response.status}`;
    throw new Problem(response.status, detail, Number.isFinite(after) ? after : null);
  }
  return [body, response];
}

/** The answer to a ready question. Raises Problem. */
export async function question(
  name: string,
  parameters: Parameters = {},
  signal?: AbortSignal,
): Promise<Answer> {
  const base = `/gmn/queries/${name}`;
  // What is asked of objects depends on who asks.
  const [body, response] = await get(address(base, "json", parameters), signal, authorization());
  const told = body as { rows: Row[]; columns: Column[] };
  return answer(told.rows, told.columns, response, base, parameters);
}

/** A page of a table or view, at most a thousand rows. Raises Problem. */
export async function table(
  name: string,
  parameters: Parameters = {},
  signal?: AbortSignal,
): Promise<Answer> {
  const base = `/gmn/${name}`;
  const asked = { _shape: "objects", _nocount: "on", _nosuggest: "on", ...parameters };
  return page(address(base, "json", asked), base, parameters, signal);
}

/** Rows of a table or view, page after page of one state, up to about so many. Raises Problem. */
export async function rowsOf(name: string, parameters: Parameters, most: number): Promise<Answer> {
  const first = await table(name, { _size: 1000, ...parameters });
  const rows = [...first.rows];
  let { next } = first;
  while (next !== undefined && rows.length < most) {
    const following = await page(next, first.base, parameters);
    rows.push(...following.rows);
    next = following.next;
  }
  const whole = { ...first, rows, parameters };
  if (next === undefined) delete whole.next;
  return whole;
}

async function page(
  path: string,
  base: string,
  parameters: Parameters,
  signal?: AbortSignal,
): Promise<Answer> {
  const [body, response] = await get(path, signal);
  const told = body as {
    rows: Row[]; columns: string[]; units: Record<string, string>; next_url?: string | null;
  };
  const columns = told.columns.map((column) => {
    const unit = told.units[column];
    return unit === undefined ? { name: column } : { name: column, unit };
  });
  const found = answer(told.rows, columns, response, base, parameters);
  return told.next_url ? { ...found, next: told.next_url } : found;
}

function answer(
  rows: Row[],
  columns: Column[],
  response: Response,
  base: string,
  parameters: Parameters,
): Answer {
  const snapshot = stateOf(response);
  return { rows, columns, snapshot, committed: response.headers.get("Last-Modified"), base, parameters };
}

export function stateOf(response: Response): string {
  return response.headers.get("GMN-State") ?? response.headers.get("GMN-Snapshot") ?? "";
}

/** A value that is a number, or none. */
export function numeric(value: Value | undefined): number | null {
  return typeof value === "number" && Number.isFinite(value) ? value : null;
}

export function text(value: Value | undefined): string {
  return value === null || value === undefined ? "" : String(value);
}
