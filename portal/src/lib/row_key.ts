/** The key of a row in its address: values in Datasette's "tilde code", with commas between. */

import type { Row, Value } from "./api";
import type { TableOf } from "./directory";
import { to } from "./router";

const NULL = "$null";

export function keyOf(table: TableOf, row: Row): string | null {
  // A key is whole or none: columns that are not shown are not there.
  if (table.key.some((name) => !(name in row))) return null;
  return table.key.map((name) => coded(row[name] ?? null, isTime(table, name))).join(",");
}

function isTime(table: TableOf, name: string): boolean {
  return table.columns.some((column) => column.name === name && column.kind === "timestamp");
}

function coded(value: Value, isTime: boolean): string {
  if (value === null) return NULL;
  const text = typeof value === "boolean" ? String(Number(value)) : String(value);
  const bytes = new TextEncoder().encode(isTime ? text.replace(/Z$/, "") : text);
  return Array.from(bytes, (byte) => {
    const sign = String.fromCharCode(byte);
    return /[0-9A-Za-z_-]/.test(sign) ? sign : `~${byte.toString(16).toUpperCase().padStart(2, "0")}`;
  }).join("");
}

/** The page of a row. */
export function pageOf(table: TableOf, row: Row, store = "gmn"): string | null {
  const key = keyOf(table, row);
  return key === null || key === "" ? null : to.row(table.name, key, store);
}

const IDENTIFIERS = ["trajectory_identifier", "unique_trajectory_identifier", "meteor_id"];

/** The trajectory that a row tells of. */
export function trajectoryOf(table: string, row: Row): string | null {
  const names = table === "meteor" ? [...IDENTIFIERS, "id"] : IDENTIFIERS;
  for (const name of names) {
    const value = row[name];
    if (typeof value === "string" && /^\d{14}_\w+$/.test(value)) return value;
  }
  return null;
}
