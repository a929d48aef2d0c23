/** What a panel asks of which address: one of those that everybody can ask, and no other. */

import { address, type Column, type Parameters } from "../api";
import { asColumn, type Question as ReadyQuestion, type TableColumn, type TableOf } from "../directory";
import { label } from "../format";
import { queryOf } from "../sql_answer";
import type { Values } from "./address";
import type { Aggregate, Condition, Filter, OfTable, Panel } from "./document";
import { nameOf, sqlOf, Unaskable } from "./sql_of";

export interface Known {
  tables: readonly TableOf[];
  questions: readonly ReadyQuestion[];
  /** Whether there are readings of stations. */
  hasReadings: boolean;
}

export interface Request {
  form: "page" | "count" | "sql" | "ready" | "objects";
  /** Where the rows are. */
  path: string;
  /** The same rows as a file, where they can be had as one. */
  csv: string | null;
  /** Columns of which more is known than the answer says. */
  columns: Column[];
  /** Filters that the question knows. */
  filters: string[];
}

const LONG = 1000;
const SHORT = 100;

/** Whether rows are put together by the question. */
export function isGrouped({ mark, question }: Panel): boolean {
  if (question?.from !== "table") return false;
  return mark === "histogram" || !!question.group?.length || !!question.values?.length;
}

/** Whether a panel shows what stations measure. */
export function isOfReadings(panel: Panel): boolean {
  const { mark, question } = panel;
  if (mark === "text") return false;
  return isAbout(panel, "readings") || (question?.from === "table" && question.table.startsWith("readings."));
}

/** Whether the SQL of a panel may be about a lake. */
function isAbout({ question }: Panel, lake: string): boolean {
  return question?.from === "sql" && new RegExp(`\\b${lake}\\b`, "i").test(question.sql);
}

/** Whether an answer may be an older one: those of states of the warehouse can be. What is answered of objects
 * depends on who asks. */
export function isKeepable(panel: Panel): boolean {
  const { mark, question } = panel;
  if (mark === "text" || question === undefined || question.from === "objects") return false;
  return !isOfReadings(panel) && !isAbout(panel, "objects");
}

/** Whether a panel's question knows one of these columns, as a filter stands for them. */
export function reaches({ mark, question }: Panel, columns: readonly string[], known: Known): boolean {
  if (mark === "text" || !question || question.from === "objects") return false;
  if (question.from === "sql") return columns.some((one) => isNamed(one, question.sql));
  const there = question.from === "table"
    ? known.tables.find(({ name }) => name === question.table)?.columns
    : known.questions.find(({ name }) => name === question.question)?.parameters;
  return there?.some(({ name }) => columns.includes(name)) ?? false;
}

/** Whether SQL asks for the value of a filter. */
function isNamed(name: string, sql: string): boolean {
  return new RegExp(`:${name}\\b`).test(sql);
}

/** The state (a time) that an answer which may be so old stands on: the same for all who ask in that span. */
export function keptAt(keepS: number, nowMs: number): string {
  return new Date(Math.floor(nowMs / (keepS * 1000)) * keepS * 1000).toISOString().replace(".000Z", "Z");
}

/** A panel's request; null where it asks nothing. Raises Unaskable. */
export function requestOf(
  panel: Panel, filters: readonly Filter[], values: Values, known: Known, asOf = "",
): Request | null {
  const { question } = panel;
  if (panel.mark === "text" || !question) return null;
  const set = filters.filter(({ name }) => (values[name] ?? "") !== "");
  switch (question.from) {
    case "table":
      return ofTable(panel, question, set, values, known, asOf);
    case "sql": {
      const named = filters.flatMap(({ name, columns }) => columns.map((one) => [one, name] as const));
      const there = named.filter(([one]) => isNamed(one, question.sql));
      const given = Object.fromEntries(there.map(([one, name]) => [one, values[name] ?? ""]));
      return ofSql(question.sql, given, [], there.map(([, name]) => name), asOf);
    }
    case "ready": {
      const asked = known.questions.find(({ name }) => name === question.question);
      if (!asked) throw new Unaskable(`There is no ready question ${question.question} on this server.`);
      const takes = new Set(asked.parameters.map(({ name }) => name));
      const used = set.flatMap((one) => {
        const at = one.columns.find((name) => takes.has(name));
        return at === undefined ? [] : [[at, one.name] as const];
      });
      const own = Object.entries(question.parameters ?? {}).filter(([name]) => takes.has(name));
      const parameters: Parameters = {
        ...Object.fromEntries(own), ...Object.fromEntries(used.map(([at, name]) => [at, values[name]])), _as_of: asOf,
      };
      const base = `/gmn/queries/${question.question}`;
      return {
        form: "ready", path: address(base, "json", parameters), csv: address(base, "csv", parameters), columns: [],
        filters: used.map(([, name]) => name),
      };
    }
    case "objects":
      return { form: "objects", path: `/objects/_use?by=${question.by}`, csv: null, columns: [], filters: [] };
  }
}

function ofSql(
  sql: string, given: Record<string, string>, columns: Column[], filters: string[], asOf: string,
): Request {
  const query = queryOf(sql, given, asOf);
  return { form: "sql", path: `/gmn.json?${query}`, csv: `/gmn.csv?${query}`, columns, filters };
}

function ofTable(
  panel: Panel, question: OfTable, set: readonly Filter[], values: Values, known: Known, asOf: string,
): Request {
  const hasPrefix = question.table.startsWith("readings.");
  if (hasPrefix && !known.hasReadings) throw new Unaskable("There are no readings of stations on this server.");
  const table = known.tables.find(({ name }) => name === question.table);
  if (!table) throw new Unaskable(`There is no table ${question.table} on this server.`);
  const used = set.flatMap((one) => {
    const at = table.columns.find(({ name }) => one.columns.includes(name));
    return at ? [{ filter: one.name, condition: conditionOf(one, values[one.name] ?? "", at) }] : [];
  });
  const where = [...(question.where ?? []), ...used.map(({ condition }) => condition)];
  const names = used.map(({ filter }) => filter);
  const base = hasPrefix ? `/readings/${question.table.slice(9)}` : `/gmn/${question.table}`;
  const asked = where.map((one): [string, string] => [parameter(one), one.value]);
  const state = asOf ? [["_as_of", asOf] as [string, string]] : [];
  if (isCounted(panel)) { // what tables answer costs less than SQL, and needs no warehouse where it is of readings
    const query = new URLSearchParams([...asked, ...state, ["_size", "0"], ["_nosuggest", "on"]]);
    return { form: "count", path: `${base}.json?${query}`, csv: null, columns: columnsOf(question, table), filters: names };
  }
  if (isGrouped(panel)) {
    const grouped = panel.mark === "histogram" ? counted(panel, question) : question;
    return ofSql(sqlOf(grouped, table.columns, where), {}, columnsOf(grouped, table), names, asOf);
  }
  const { sort } = question;
  const size = question.limit ?? (panel.mark === "table" ? SHORT : LONG);
  const rows: [string, string][] = [
    ...asked,
    ...(sort ? [[sort.descends ? "_sort_desc" : "_sort", sort.column] as [string, string]] : []),
    ...(question.columns ?? []).map((name): [string, string] => ["_col", name]),
    ...state,
  ];
  const page = [...rows, ["_size", size < LONG ? String(size) : "max"], ["_shape", "objects"], ["_nocount", "on"], ["_nosuggest", "on"]];
  return {
    form: "page", path: `${base}.json?${new URLSearchParams(page)}`,
    csv: `${base}.csv${rows.length ? `?${new URLSearchParams(rows)}` : ""}`,
    columns: table.columns.map(asColumn), filters: names,
  };
}

/** Whether the question is how many rows there are, and nothing else. */
function isCounted({ mark, question }: Panel): boolean {
  if (question?.from !== "table" || mark === "histogram" || question.group?.length) return false;
  return question.values?.length === 1 && question.values[0]?.function === "count";
}

function parameter({ column, operator }: Condition): string {
  return operator === "exact" ? column : `${column}__${operator}`;
}

/** A filter as a condition on a column: a list has the value, and a last day is wholly in it. */
function conditionOf({ operator }: Filter, value: string, of: TableColumn): Condition {
  if (of.kind === "list of texts" && operator === "exact") return { column: of.name, operator: "arraycontains", value };
  const isDay = of.kind === "timestamp" && /^\d{4}-\d\d-\d\d$/.test(value);
  if (isDay && operator === "exact") return { column: of.name, operator: "date", value };
  if (isDay && (operator === "lte" || operator === "gt")) return { column: of.name, operator, value: `${value}T23:59:59.999999` };
  return { column: of.name, operator, value };
}

/** A histogram's question: how many rows in each step. */
function counted(panel: Panel, question: OfTable): OfTable {
  if (!panel.x) throw new Unaskable("Choose of which column the histogram is.");
  const { where, table } = question;
  return {
    from: "table", table, ...(where ? { where } : {}), group: [{ column: panel.x, step: panel.step ?? 1 }],
    values: [{ function: "count" }], limit: LONG,
  };
}

/** Columns of the answer to a grouped question, with the units of those that they are made of. */
export function columnsOf({ group = [], values = [] }: OfTable, table: TableOf): Column[] {
  const of = (name: string | undefined): TableColumn | undefined => table.columns.find((one) => one.name === name);
  const made = (one: Aggregate): Column => {
    const [unit, is] = [of(one.column)?.unit, one.function];
    const name = nameOf(one);
    const description = one.column ? `${is === "deviation" ? "standard deviation" : is} of ${label(one.column)}` : "number of rows";
    return unit && is !== "distinct" && is !== "count" ? { name, unit, description } : { name, description };
  };
  const grouped = group.flatMap(({ column }): Column[] => {
    const found = of(column);
    return found ? [asColumn(found)] : [];
  });
  return [...grouped, ...(values.length ? values : [{ function: "count" } as const]).map(made)];
}
