/** From an answer to what a panel draws. */

import { text, type Column, type Row } from "../api";
import { label, unitOf } from "../format";
import { axis, drawable, firstChoice, MOST_NAMES, plotted, shapeOf, type Drawn, type Shape } from "../results";
import type { Panel } from "./document";
import { nameOf } from "./sql_of";

export interface Line {
  name: string;
  kind: Drawn;
  points: { x: number; y: number }[];
}

export interface Drawing {
  lines: Line[];
  /** What stands across. */
  column: string;
  xAxis: string;
  yAxis: string;
  shape: Shape;
  /** Of names along x: which stands where. */
  names: string[] | null;
  step: number;
  /** Rows that are not drawn. */
  left: number;
  /** Series that there are, drawn or not. */
  series: number;
}

/** Series of which each has an ink that can be told from the others'. */
export const MOST_SERIES = 8;
const KINDS: Partial<Record<Panel["mark"], Drawn>> = { line: "line", bar: "bars", scatter: "points", histogram: "bars" };

/** What a panel draws of an answer; null where there is nothing that it could. */
export function drawingOf(panel: Panel, rows: readonly Row[], columns: readonly Column[]): Drawing | null {
  const kind = KINDS[panel.mark];
  if (!kind) return null;
  if (panel.mark === "histogram") return histogram(panel, rows, columns);
  const has = (name: string | undefined): name is string => columns.some((one) => one.name === name);
  const first = firstChoice(drawable(columns, rows));
  const own = panel.x ?? (panel.question?.from === "table" ? panel.question.group?.[0]?.column : undefined);
  const x = has(own) ? own : first?.x;
  const { question } = panel;
  const asked = question?.from === "table" ? question : null;
  const chosen = (panel.y?.length ? panel.y : (asked?.values ?? []).map(nameOf)).filter(has);
  // Of two columns that rows are put together by, the second one tells the series.
  const series = panel.series ?? (panel.x === undefined ? asked?.group?.[1]?.column : undefined);
  const ys = chosen.length ? chosen : first && first.y !== x ? [first.y] : [];
  const [y] = ys;
  if (x === undefined || y === undefined) return null;
  const shape = shapeOf(rows, x);
  if (shape === "other") return null;
  const names = shape === "text" ? [...new Set(rows.map((row) => text(row[x])))].slice(0, MOST_NAMES) : null;
  const parts: [string, string, readonly Row[]][] = has(series)
    ? bySeries(rows, series).map(([name, some]) => [name, y, some])
    : ys.map((one) => [titleOf(columns, one), one, rows]);
  let [left, step] = [0, Infinity];
  const lines = parts.slice(0, MOST_SERIES).map(([name, of, some]): Line => {
    const found = names ? placed(some, x, of, names) : plotted(some, { x, y: of, kind }, shape);
    left += some.length - found.points.length;
    step = Math.min(step, found.step);
    return { name, kind, points: found.points };
  });
  if (kind === "bars" && lines.length > 1) {
    if (!Number.isFinite(step)) step = 1;
    for (const [n, line] of lines.entries()) {
      const aside = ((n - (lines.length - 1) / 2) * step) / lines.length;
      line.points = line.points.map((point) => ({ ...point, x: point.x + aside }));
    }
    step /= lines.length;
  }
  return { lines, column: x, xAxis: axis(columns, x, shape), yAxis: together(columns, ys), shape, names, step: Number.isFinite(step) ? step : 1, left, series: parts.length };
}

function placed(rows: readonly Row[], x: string, y: string, names: readonly string[]): { points: Line["points"]; step: number } {
  const points = rows.flatMap((row) => {
    const [at, up] = [names.indexOf(text(row[x])), row[y]];
    return at < 0 || typeof up !== "number" ? [] : [{ x: at, y: up }];
  });
  return { points, step: 1 };
}

/** Rows by the values of a column, those with most rows first. */
function bySeries(rows: readonly Row[], column: string): [string, Row[]][] {
  const groups = new Map<string, Row[]>();
  for (const row of rows) {
    const key = text(row[column]) || "–";
    const some = groups.get(key);
    if (some) some.push(row);
    else groups.set(key, [row]);
  }
  return [...groups].sort(([, a], [, b]) => b.length - a.length);
}

/** Bars that are as wide as a step, from where it begins. A question that counts nothing is counted here. */
function histogram(panel: Panel, rows: readonly Row[], columns: readonly Column[]): Drawing | null {
  const { x, step = 1 } = panel;
  if (!x || !columns.some(({ name }) => name === x)) return null;
  const shape = shapeOf(rows, x);
  const isCounted = panel.question?.from === "table";
  if (typeof step !== "number" || shape === "time") {
    const found = plotted(rows, { x, y: "count", kind: "bars" }, shape);
    return { ...ofOne(columns, x, shape, found.points), step: found.step, left: found.left };
  }
  const counts = new Map<number, number>();
  let left = 0;
  for (const row of rows) {
    const [value, many] = [row[x], isCounted ? row["count"] : 1];
    if (typeof value !== "number" || typeof many !== "number") left += 1;
    else {
      const from = isCounted ? value : Math.floor(value / step) * step;
      counts.set(from, (counts.get(from) ?? 0) + many);
    }
  }
  const points = [...counts].map(([from, y]) => ({ x: from + step / 2, y })).sort((a, b) => a.x - b.x);
  return { ...ofOne(columns, x, shape, points), step, left };
}

function ofOne(columns: readonly Column[], x: string, shape: Shape, points: Line["points"]): Omit<Drawing, "step" | "left"> {
  const lines: Line[] = [{ name: "number of rows", kind: "bars", points }];
  return { lines, column: x, xAxis: axis(columns, x, shape), yAxis: "number", shape, names: null, series: 1 };
}

/** What a column is called: an aggregate by what it is of. */
export function titleOf(columns: readonly Column[], name: string): string {
  const made = /^(distinct|sum|mean|median|minimum|maximum|deviation)_(.+)$/.exec(name);
  const isOne = columns.some((one) => one.name === name && / of /.test(one.description ?? ""));
  if (!made || !isOne) return label(name);
  const [, fn = "", of = ""] = made;
  return label(of) === fn ? fn : `${label(of)} (${fn})`;
}

/** One axis for several columns: by their name if it is one, else by the unit that they share. */
function together(columns: readonly Column[], names: readonly string[]): string {
  const [first = ""] = names;
  if (names.length === 1) {
    const unit = unitOf(first, columns.find(({ name }) => name === first)?.unit);
    return unit ? `${titleOf(columns, first)} [${unit}]` : titleOf(columns, first);
  }
  const units = new Set(names.map((name) => unitOf(name, columns.find((one) => one.name === name)?.unit)));
  const [unit] = units;
  return units.size === 1 && unit ? `[${unit}]` : "value";
}
