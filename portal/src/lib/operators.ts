/** Which operators go with which kind of column, and how people read them. */

import type { Kind } from "./directory";

const NULLS = ["isnull", "notnull"];
const ORDER = ["gt", "gte", "lt", "lte"];
const NUMBERS = ["exact", "not", ...ORDER, "in", "notin", ...NULLS];

const OF_KIND: Record<Kind, readonly string[]> = {
  text: [
    "exact", "not", "contains", "notcontains", "startswith", "endswith", "in", "notin", "like", "notlike",
    "glob", ...ORDER, ...NULLS, "isblank", "notblank",
  ],
  number: NUMBERS,
  integer: NUMBERS,
  "integer of 64 bits": NUMBERS,
  boolean: ["exact", ...NULLS],
  date: ["exact", "not", ...ORDER, "in", "notin", ...NULLS],
  timestamp: ["date", "gte", "gt", "lte", "lt", "exact", ...NULLS],
  "list of texts": [
    "arraycontains", "arraynotcontains", "arraycontainsany", "contains", "isblank", "notblank", ...NULLS,
  ],
};

const SIGNS: Record<string, string> = {
  exact: "=", not: "≠", gt: ">", gte: "≥", lt: "<", lte: "≤", contains: "contains",
  notcontains: "does not contain", startswith: "begins with", endswith: "ends with", like: "like (%, _)",
  notlike: "not like (%, _)", glob: "like (*, ?)", in: "one of", notin: "none of",
  arraycontains: "has", arraynotcontains: "has not", arraycontainsany: "has one of", date: "on the date",
  isnull: "is null", notnull: "is not null", isblank: "is blank", notblank: "is not blank",
};

export function operatorsOf(kind: Kind): readonly string[] {
  return OF_KIND[kind] ?? OF_KIND.text;
}

/** The operator as people read it. */
export function sign(operator: string): string {
  return SIGNS[operator] ?? operator;
}

/** What is typed for a value: kind of the field, and an example. */
export function fieldOf(kind: Kind, operator: string): { type: "text" | "date"; example: string } {
  const isOne = !["in", "notin", "arraycontainsany"].includes(operator);
  if (kind === "date" || operator === "date") return { type: isOne ? "date" : "text", example: "2026-08-13" };
  if (kind === "timestamp") return { type: "text", example: "2026-08-13T22:00:00Z" };
  if (!isOne) return { type: "text", example: "one, another" };
  if (kind === "list of texts") return { type: "text", example: "UK0001" };
  return { type: "text", example: kind === "text" ? "" : "60" };
}
