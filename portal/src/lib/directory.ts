/** Which tables, columns, operators and functions there are, as the server tells it. */

import { get, type Column } from "./api";
import { hasReadings } from "./readings";

export type Kind = "text" | "timestamp" | "date" | "integer" | "integer of 64 bits" | "number" | "boolean"
  | "list of texts";

export interface TableColumn {
  name: string;
  kind: Kind;
  unit: string | null;
  meaning: string;
}

export interface TableOf {
  name: string;
  meaning: string;
  is_view: boolean;
  /** Null where they are not counted, or that takes long. */
  rows: number | null;
  key: string[];
  is_searched: boolean;
  columns: TableColumn[];
  suffixes: string[];
}

export interface Operator {
  name: string;
  meaning: string;
  needs_value: boolean;
}

export interface Callable {
  name: string;
  call: string;
  meaning: string;
}

export interface Directory {
  tables: TableOf[];
  operators: Operator[];
  functions: Callable[];
  limits: { requests_per_minute: number; page_rows: number; sql_seconds: number; sql_rows: number };
  snapshot: number;
}

export interface Question {
  name: string;
  title: string;
  description: string;
  parameters: QuestionParameter[];
  sql: string;
}

export interface QuestionParameter {
  name: string;
  type: string;
  meaning: string;
  unit: string | null;
  default: string | null;
  is_required: boolean;
  choices: string[];
}

/** Rows are counted only if it is said, since that takes a moment. Raises Problem. */
export async function directory(isCounted = false, store = "gmn"): Promise<Directory> {
  const [body] = await get(`/${store}/tables.json${isCounted ? "" : "?_nocount=on"}`);
  return body as Directory;
}

/** That of the warehouse, with the tables of readings as SQL names them where there are any. */
export async function everything(isCounted = false): Promise<Directory> {
  const readings = hasReadings() ? directory(isCounted, "readings").then(({ tables }) => tables, () => []) : [];
  const [own, others] = await Promise.all([directory(isCounted), readings]);
  return { ...own, tables: [...own.tables, ...others.map((one) => ({ ...one, name: `readings.${one.name}` }))] };
}

/** Raises Problem. */
export async function questions(): Promise<{ queries: Question[]; suffixes: string[] }> {
  const [body] = await get("/gmn/queries.json");
  return body as { queries: Question[]; suffixes: string[] };
}

/** A column as tables and charts show it. */
export function asColumn({ name, unit, meaning }: TableColumn): Column {
  return { name, description: meaning, ...(unit === null ? {} : { unit }) };
}
