/** An answer of any columns: what can be drawn of it, and how. */

import type { Column, Row, Value } from "./api";
import { dateOf } from "./dates";
import { label, number, unitOf } from "./format";

export type Shape = "number" | "time" | "text" | "other";
export type Drawn = "points" | "line" | "bars";

export interface Choice {
  x: string;
  y: string;
  kind: Drawn;
}

/** Of more places than this, names would lie upon each other. */
export const MOST_NAMES = 40;
const TIME = /^\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d+)?)?Z?)?$/;

export function shapeOf(rows: readonly Row[], name: string): Shape {
  const values = rows.map((row) => row[name]).filter((v): v is Value => v !== null && v !== undefined);
  if (values.length === 0) return "other";
  if (values.every((value) => typeof value === "number")) return "number";
  if (values.every((value) => typeof value === "string" && TIME.test(value))) return "time";
  return values.every((value) => typeof value === "string") ? "text" : "other";
}

export interface Drawable {
  /** Columns that may stand on an axis, by their names. */
  x: string[];
  y: string[];
  shapes: Map<string, Shape>;
}

export function drawable(columns: readonly Column[], rows: readonly Row[]): Drawable {
  const shapes = new Map(columns.map(({ name }) => [name, shapeOf(rows, name)]));
  const names = columns.map((column) => column.name);
  return {
    x: names.filter((name) => shapes.get(name) !== "other"),
    y: names.filter((name) => shapes.get(name) === "number"),
    shapes,
  };
}

/** What is drawn if nobody has chosen: by time, else by the first number, else by names. */
export function firstChoice({ x, y, shapes }: Drawable): Choice | null {
  const by = x.find((name) => shapes.get(name) === "time") ?? x.find((name) => shapes.get(name) === "text" && y.length === 1)
    ?? x.find((name) => shapes.get(name) === "number") ?? x[0];
  const of = y.find((name) => name !== by) ?? y[0];
  if (by === undefined || of === undefined) return null;
  const kind = { time: "line", text: "bars", number: "points", other: "points" } as const;
  return { x: by, y: of, kind: kind[shapes.get(by) ?? "other"] };
}

export interface Plotted {
  points: { x: number; y: number }[];
  /** Of names along x: which stands where. */
  names: string[] | null;
  /** How far apart bars stand. */
  step: number;
  /** Rows without a value on one of the axes, and those beyond what can be named. */
  left: number;
}

export function plotted(rows: readonly Row[], { x, y }: Choice, shape: Shape): Plotted {
  const names: string[] = [];
  const places = new Map<string, number>();
  const points: Plotted["points"] = [];
  for (const row of rows) {
    const [across, up] = [row[x], row[y]];
    if (typeof up !== "number" || across === null || across === undefined) continue;
    if (shape === "text") {
      const name = String(across);
      let at = places.get(name);
      if (at === undefined) {
        if (names.length === MOST_NAMES) continue;
        places.set(name, (at = names.push(name) - 1));
      }
      points.push({ x: at, y: up });
    } else {
      const at = shape === "time" ? timeOf(String(across)) : Number(across);
      if (Number.isFinite(at)) points.push({ x: at, y: up });
    }
  }
  if (shape !== "text") points.sort((one, other) => one.x - other.x);
  return { points, names: shape === "text" ? names : null, step: stepOf(points), left: rows.length - points.length };
}

const MOST_SIGNS = 8;

/** The text of a place on the axis across. */
export function placeText(names: readonly string[] | null, shape: Shape): (at: number) => string {
  if (names) return (at) => (Number.isInteger(at) ? shortened(names[at] ?? "") : "");
  if (shape !== "time") return (at) => number(at, at % 1 ? 2 : 0);
  return (at) => dateOf(Math.floor(at)) + (at % 1 ? ` ${new Date((at % 1) * 86_400_000).toISOString().slice(11, 16)}` : "");
}

function shortened(name: string): string {
  if (name === "...") return "sporadic";
  return name.length > MOST_SIGNS ? `${name.slice(0, MOST_SIGNS - 1)}…` : name;
}

/** Days since 1970. */
export function timeOf(text: string): number {
  const iso = text.includes(":") ? `${text.replace(" ", "T").replace(/Z$/, "")}Z` : `${text}T00:00:00Z`;
  return Date.parse(iso) / 86_400_000;
}

function stepOf(points: readonly { x: number }[]): number {
  let least = Infinity;
  for (let n = 1; n < points.length; n++) {
    const apart = Math.abs((points[n]?.x ?? 0) - (points[n - 1]?.x ?? 0));
    if (apart > 0 && apart < least) least = apart;
  }
  return Number.isFinite(least) ? least : 1;
}

/** The name of an axis, with its unit. */
export function axis(columns: readonly Column[], name: string, shape?: Shape): string {
  const unit = unitOf(name, columns.find((column) => column.name === name)?.unit);
  const said = label(name);
  if (unit) return `${said} [${unit}]`;
  return shape === "time" && !said.includes("UTC") ? `${said} (UTC)` : said;
}
