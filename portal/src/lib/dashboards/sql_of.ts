/** A grouped question about a table as SQL.
 *
 * Addresses of tables group nothing, so this is asked as any query of a reader's own: the server lets
 * it read, and nothing else. Values stand in it as literals of their column's kind.
 */

import type { Kind, TableColumn } from "../directory";
import type { Aggregate, Condition, Grouped, OfTable, Span } from "./document";

const PLAIN = /^[A-Za-z][A-Za-z0-9_]*$/;
const NUMBER = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d{1,3})?$/i;
const COMPARED: Record<string, string> = { exact: "=", not: "<>", gt: ">", gte: ">=", lt: "<", lte: "<=" };
const CALLS: Record<Exclude<Aggregate["function"], "count">, (column: string) => string> = {
  distinct: (column) => `count(DISTINCT ${column})`,
  sum: (column) => `sum(${column})`,
  mean: (column) => `avg(${column})`,
  median: (column) => `median(${column})`,
  minimum: (column) => `min(${column})`,
  maximum: (column) => `max(${column})`,
  deviation: (column) => `stddev_samp(${column})`,
};
const SPANS: readonly Span[] = ["minute", "hour", "day", "month", "year"];

/** A question that cannot be asked, in words. */
export class Unaskable extends Error {}

export function column(name: string): string {
  if (!PLAIN.test(name)) throw new Unaskable(`There is no column ${name}.`);
  return name;
}

export function text(value: string): string {
  return `'${value.replaceAll("'", "''")}'`;
}

/** A value as a literal of a kind of column. Raises Unaskable. */
export function literal(value: string, kind: Kind): string {
  if (kind === "number" || kind.startsWith("integer")) {
    if (!NUMBER.test(value.trim())) throw new Unaskable(`“${value}” is no number.`);
    return value.trim();
  }
  if (kind === "boolean") return ["1", "true", "yes"].includes(value.toLowerCase()) ? "true" : "false";
  if (kind === "date") return `CAST(${text(value)} AS DATE)`;
  if (kind === "timestamp") return `CAST(${text(value.replace(/Z$/, ""))} AS TIMESTAMP)`;
  return text(value);
}

/** One condition. Raises Unaskable. */
export function condition({ column: name, operator, value }: Condition, kind: Kind): string {
  const of = column(name);
  const words = `lower(CAST(${of} AS VARCHAR))`;
  const said = text(value.toLowerCase());
  const some = (): string => value.split(",").map((one) => literal(one.trim(), kind)).join(", ");
  const members = (): string => value.split(",").map((one) => text(one.trim())).join(", ");
  if (operator in COMPARED) return `${of} ${COMPARED[operator]} ${literal(value, kind)}`;
  switch (operator) {
    case "contains": return `contains(${words}, ${said})`;
    case "notcontains": return `NOT contains(${words}, ${said})`;
    case "startswith": return `starts_with(${words}, ${said})`;
    case "endswith": return `ends_with(${words}, ${said})`;
    case "like": return `${words} LIKE ${said}`;
    case "notlike": return `${words} NOT LIKE ${said}`;
    case "glob": return `${of} GLOB ${text(value)}`;
    case "in": return `${of} IN (${some()})`;
    case "notin": return `${of} NOT IN (${some()})`;
    case "arraycontains": return `list_contains(${of}, ${text(value)})`;
    case "arraynotcontains": return `NOT list_contains(${of}, ${text(value)})`;
    case "arraycontainsany": return `list_has_any(${of}, [${members()}])`;
    case "date": return `CAST(${of} AS DATE) = CAST(${text(value)} AS DATE)`;
    case "isnull": return `${of} IS NULL`;
    case "notnull": return `${of} IS NOT NULL`;
    case "isblank": return `coalesce(CAST(${of} AS VARCHAR), '') = ''`;
    case "notblank": return `coalesce(CAST(${of} AS VARCHAR), '') <> ''`;
    default: throw new Unaskable(`There is no operator ${operator}.`);
  }
}

/** What a value is called in the answer: mean_vgeo_km_s, with its unit at the end as ever. */
export function nameOf({ function: fn, column: of }: Aggregate): string {
  return fn === "count" || !of ? "count" : `${fn}_${of}`;
}

function grouped({ column: name, step }: Grouped): string {
  const of = column(name);
  if (step === undefined) return `${of} AS ${of}`;
  if (typeof step === "number") {
    if (!(step > 0)) throw new Unaskable("A step is more than 0.");
    return `round(floor(${of} / ${step}) * ${step}, 9) AS ${of}`;
  }
  if (!SPANS.includes(step)) throw new Unaskable(`There is no step ${step}.`);
  const from = `date_trunc('${step}', ${of})`;
  return `${["day", "month", "year"].includes(step) ? `CAST(${from} AS DATE)` : from} AS ${of}`;
}

function aggregated(of: Aggregate): string {
  const call = of.function === "count" || !of.column ? "count(*)" : CALLS[of.function](column(of.column));
  return `${call} AS ${nameOf(of)}`;
}

/** The query. Rows without a value of what they are grouped by are left out. Raises Unaskable. */
export function sqlOf(question: OfTable, columns: readonly TableColumn[], where: readonly Condition[]): string {
  const kinds = new Map(columns.map(({ name, kind }) => [name, kind]));
  const group = question.group ?? [];
  const values: readonly Aggregate[] = question.values?.length ? question.values : [{ function: "count" }];
  const known = (name: string): Kind => {
    const kind = kinds.get(name);
    if (kind === undefined) throw new Unaskable(`The table ${question.table} has no column ${name}.`);
    return kind;
  };
  for (const { column: name } of [...group, ...values]) if (name) known(name);
  const conditions = [
    ...where.map((one) => condition(one, known(one.column))),
    ...group.map(({ column: name }) => `${column(name)} IS NOT NULL`),
  ];
  const names = [...group.map(({ column: name }) => name), ...values.map(nameOf)];
  const places = group.map((_, n) => n + 1).join(", ");
  const { sort } = question;
  const at = sort ? names.indexOf(sort.column) + 1 : 0;
  const order = at ? `${at}${sort?.descends ? " DESC" : ""}` : places;
  return [
    `SELECT ${[...group.map(grouped), ...values.map(aggregated)].join(", ")}`,
    `FROM ${question.table.split(".").map(column).join(".")}`,
    ...(conditions.length ? [`WHERE ${conditions.join(" AND ")}`] : []),
    ...(group.length ? [`GROUP BY ${places}`, `ORDER BY ${order}`] : []),
    `LIMIT ${question.limit ?? 1000}`,
  ].join("\n");
}
