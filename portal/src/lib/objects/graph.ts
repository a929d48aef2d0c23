/** The graph around an object as columns of ends, the nearest first, and lines between them. */

import { text, type Row } from "../api";
import { pageOfObject } from "../links";
import { to } from "../router";

export interface End {
  kind: string;
  what: string;
  steps: number;
  /** The page that tells more of it. */
  href: string | undefined;
  /** In which column, and where in it, from above. */
  column: number;
  row: number;
}

export interface Line {
  from: End;
  to: End;
  kind: string;
}

export interface Graph {
  columns: End[][];
  lines: Line[];
  /** Ends that found no room. */
  left: number;
}

const KINDS = ["image", "object", "station", "night", "trajectory"];

export function pageOfEnd(kind: string, what: string): string | undefined {
  if (kind === "station") return to.station(what);
  if (kind === "night") return to.night(what);
  if (kind === "trajectory") return to.trajectory(what);
  return pageOfObject(what);
}

/** The end of a name that has folders, as there is little room. */
export const short = (what: string, most = 30): string => {
  const last = what.split("/").at(-1) ?? what;
  return last.length > most ? `…${last.slice(1 - most)}` : last;
};

/** Of the rows of `graph_around`; so many ends of a column at most. */
export function graphOf(rows: readonly Row[], mostOfColumn = 14): Graph {
  const ends = new Map<string, End>();
  const all = new Set<string>();
  const columns: End[][] = [];
  for (const side of ["source", "target"]) {
    for (const row of rows) {
      const [kind, what, steps] = [text(row[`${side}_kind`]), text(row[side]), Number(row[`${side}_steps`])];
      const key = `${kind} ${what}`;
      all.add(key);
      const column = (columns[steps] ??= []);
      if (ends.has(key) || column.length >= mostOfColumn) continue;
      const end = { kind, what, steps, href: pageOfEnd(kind, what), column: steps, row: 0 };
      ends.set(key, end);
      column.push(end);
    }
  }
  for (const column of columns) {
    column.sort((a, b) => KINDS.indexOf(a.kind) - KINDS.indexOf(b.kind) || a.what.localeCompare(b.what));
    column.forEach((end, row) => (end.row = row));
  }
  const lines = rows.flatMap((row): Line[] => {
    const from = ends.get(`${text(row["source_kind"])} ${text(row["source"])}`);
    const end = ends.get(`${text(row["target_kind"])} ${text(row["target"])}`);
    return from && end ? [{ from, to: end, kind: text(row["link"]) }] : [];
  });
  return { columns: columns.filter(Boolean), lines, left: all.size - ends.size };
}
