/** A page of a table as the server answers it. */

import { get, stateOf, type Row } from "./api";
import type { Facet } from "./selection";

export interface FacetResult {
  name: string;
  type: Facet["kind"];
  results: { label: string; count: number }[];
  truncated: boolean;
}

export interface Sheet {
  rows: Row[];
  columns: string[];
  /** How many rows the filters let through. */
  count: number | null;
  next: string | null;
  facets: FacetResult[];
  suggested: Facet[];
  query: { sql: string; params: unknown[] };
  snapshot: string;
  committed: string | null;
}

interface Told {
  rows: Row[];
  columns: string[];
  filtered_table_rows_count: number | null;
  next: string | null;
  facet_results: Record<string, FacetResult>;
  suggested_facets: { name: string; type?: "array" | "date" }[];
  query: { sql: string; params: unknown[] };
}

/** `address`: of the data, without how rows are written. Raises Problem. */
export async function sheet(address: string, signal: AbortSignal): Promise<Sheet> {
  const [body, response] = await get(`${address}${address.includes("?") ? "&" : "?"}_shape=objects`, signal);
  const told = body as Told;
  return {
    rows: told.rows,
    columns: told.columns,
    count: told.filtered_table_rows_count,
    next: told.next,
    facets: Object.values(told.facet_results),
    suggested: told.suggested_facets.map(({ name, type }) => ({ kind: type ?? "column", column: name })),
    query: told.query,
    snapshot: stateOf(response),
    committed: response.headers.get("Last-Modified"),
  };
}

const LEGACY: Record<string, string> = {
  unique_trajectory_identifier: "trajectory_identifier", id: "trajectory_identifier",
  latbeg_n_deg: "begin_latitude_deg", lonbeg_e_deg: "begin_longitude_deg", latend_n_deg: "end_latitude_deg",
  lonend_e_deg: "end_longitude_deg", peak_absmag: "peak_absolute_magnitude", iau_code: "iau_shower_code",
};

/** Rows with the columns of the old platform as those of ours, for the map. */
export function modern(rows: readonly Row[]): Row[] {
  return rows.map((row) => {
    const renamed = Object.entries(row).flatMap(([name, value]) => {
      const ours = LEGACY[name];
      return ours !== undefined && !(ours in row) ? [[ours, value] as const] : [];
    });
    return { ...row, ...Object.fromEntries(renamed) };
  });
}

/** `/gmn/trajectories?...` of the page is `/gmn/trajectories.json?...` of the data. */
export function dataAddress(path: string, suffix: string, query: string): string {
  return `${path}.${suffix}${query ? `?${query}` : ""}`;
}
