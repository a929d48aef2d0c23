/** Selecting in one panel, which filters the others.
 *
 * What is selected is a filter as any other, and stands in the address: the dashboard's own one of a
 * single value for the column, if it has one; else, and for ranges, a condition as addresses of tables
 * have it (`vgeo_km_s__gte=40`). The panel that it was selected in goes on showing all, with that marked.
 */

import { text, type Row } from "../api";
import { plusDays } from "../dates";
import { decimalsOf, label, number, unitOf } from "../format";
import type { Area } from "../mercator";
import { timeOf } from "../results";
import type { Values } from "./address";
import { isFilterName, type Filter, type Panel, type Step } from "./document";
import type { Drawing } from "./drawn";
import { reaches, type Known } from "./request";

/** A value, or all from one to another; `isOpen`: without the last one itself. */
export type Selected = { value: string } | { from: string; to: string; isOpen: boolean };

/** What a place along a drawing stands for. */
export interface Cell {
  x: number;
  from: string;
  to: string;
  isOpen: boolean;
}

const CONDITION = /^(.+?)(?:__(gte|lte|lt))?$/;
const DAY = /^\d{4}-\d\d-\d\d$/;
const DRAWN = new Set(["line", "bar", "scatter", "histogram"]);
/** Columns that say where: of tracks, and of places. */
const WHERE = [["begin_latitude_deg", "begin_longitude_deg"], ["latitude_deg", "longitude_deg"]] as const;

/** The columns that a panel selects on, as far as its form says so. */
export function columnsOfPanel(panel: Panel): readonly string[] {
  if (panel.mark === "map") return WHERE.flat();
  const { question: asked, x } = panel;
  const column = x ?? (asked?.from === "table" ? asked.group?.[0]?.column : undefined);
  return DRAWN.has(panel.mark) && column !== undefined ? [column] : [];
}

/** The dashboard's own filter of one value for a column. */
function ownOf(column: string, own: readonly Filter[]): Filter | undefined {
  return own.find(({ operator, columns }) => operator === "exact" && columns.includes(column));
}

/** A condition on a column as a filter. It stands for what the dashboard's own one of that kind does. */
function conditionOn(column: string, operator: string, own: readonly Filter[]): Filter {
  const kind = operator === "lt" ? "lte" : operator;
  const alike = own.find((one) => one.operator === kind && one.columns.includes(column));
  const name = operator === "exact" ? column : `${column}__${operator}`;
  return { name, label: label(column), kind: "text", operator, columns: alike?.columns ?? [column] };
}

/** The filters of a dashboard, and after them the conditions of these names that a panel of it knows. */
export function withConditions(names: Iterable<string>, own: readonly Filter[], panels: readonly Panel[], known: Known): Filter[] {
  const taken = new Set(own.map(({ name }) => name));
  const more = [...new Set(names)].flatMap((name): Filter[] => {
    const [, column = "", operator = "exact"] = CONDITION.exec(name) ?? [];
    if (taken.has(name) || !isFilterName(name)) return [];
    const found = conditionOn(column, operator, own);
    return panels.some((panel) => reaches(panel, found.columns, known)) ? [found] : [];
  });
  return [...own, ...more];
}

/** What is selected of a column. */
export function selectedOf(column: string, own: readonly Filter[], values: Values): Selected | null {
  const value = values[ownOf(column, own)?.name ?? column];
  if (value) return { value };
  const [from = "", to = "", before = ""] = ["gte", "lte", "lt"].map((operator) => values[`${column}__${operator}`]);
  return from || to || before ? { from, to: to || before, isOpen: !to } : null;
}

/** The state of the filters with something selected of a column, or nothing (null). */
export function selecting(column: string, selected: Selected | null, own: readonly Filter[], values: Values): Values {
  const said = selected && "value" in selected ? { value: selected.value, from: "", to: "", isOpen: false } : { value: "", from: "", to: "", isOpen: false, ...selected };
  return {
    ...values, [ownOf(column, own)?.name ?? column]: said.value, [`${column}__gte`]: said.from,
    [`${column}__lte`]: said.isOpen ? "" : said.to, [`${column}__lt`]: said.isOpen ? said.to : "",
  };
}

/** The filters that a panel follows: not what is selected in it. */
export function followed(panel: Panel, filters: readonly Filter[], own: readonly Filter[]): Filter[] {
  const columns = columnsOfPanel(panel);
  const apart = new Set(columns.flatMap((column) => [
    ownOf(column, own)?.name ?? column, ...["gte", "lte", "lt"].map((operator) => `${column}__${operator}`),
  ]));
  const owned = new Set(own.map(({ name }) => name));
  return filters.filter(({ name, operator }) => !apart.has(name) || (owned.has(name) && operator !== "exact"));
}

/** Whether another panel follows what is selected of a column in this one. */
export function isFollowed(panel: Panel, column: string, isRange: boolean, own: readonly Filter[], panels: readonly Panel[], known: Known): boolean {
  const asked = isRange ? ["gte", "lte"].map((operator) => conditionOn(column, operator, own)) : [ownOf(column, own) ?? conditionOn(column, "exact", own)];
  const taken = new Set(isRange || !ownOf(column, own) ? own.map(({ name }) => name) : []);
  return asked.every(({ name, columns }) =>
    isFilterName(name) && !taken.has(name) && panels.some((one) => one.id !== panel.id && reaches(one, columns, known)));
}

/** What the places along a drawing stand for, from left to right. */
export function cellsOf(panel: Panel, { column, names, shape }: Drawing, rows: readonly Row[]): Cell[] {
  if (names) return names.flatMap((from, x) => (from ? [{ x, from, to: from, isOpen: false }] : []));
  const { question: asked } = panel;
  const group = asked?.from === "table" ? asked.group?.find((one) => one.column === column) : undefined;
  const isHistogram = panel.mark === "histogram";
  const step = isHistogram ? (panel.step ?? 1) : group?.step;
  const found = new Map<number, Cell>();
  for (const row of rows) {
    const value = row[column];
    if (value === null || value === undefined) continue;
    const cell = shape === "time" ? ofTime(text(value), step) : ofNumber(Number(value), step, isHistogram);
    if (Number.isFinite(cell.x)) found.set(cell.x, cell);
  }
  return [...found.values()].sort((a, b) => a.x - b.x);
}

function ofNumber(value: number, step: Step | undefined, isHistogram: boolean): Cell {
  if (typeof step !== "number") return { x: value, from: String(value), to: String(value), isOpen: false };
  const from = Number((Math.floor(value / step + 1e-9) * step).toPrecision(12));
  const to = Number((from + step).toPrecision(12));
  return { x: isHistogram ? from + step / 2 : value, from: String(from), to: String(to), isOpen: true };
}

function ofTime(from: string, step: Step | undefined): Cell {
  const x = timeOf(from);
  const at = new Date(x * 86_400_000);
  if (!Number.isFinite(x)) return { x, from, to: from, isOpen: false };
  if (step === "month" || step === "year") {
    const next = new Date(Date.UTC(at.getUTCFullYear() + (step === "year" ? 1 : 0), step === "year" ? 0 : at.getUTCMonth() + 1, 1));
    return { x, from, to: plusDays(next.toISOString().slice(0, 10), -1), isOpen: false };
  }
  if (step === "hour" || step === "minute") {
    const next = new Date(at.getTime() + (step === "hour" ? 3_600_000 : 60_000));
    return { x, from, to: next.toISOString().replace(".000Z", "Z"), isOpen: true };
  }
  return { x, from, to: from, isOpen: false };
}

/** Of cells that stand beside each other. */
export function spanOf(cells: readonly Cell[], from: number, to: number): Selected | null {
  const [first, last] = [cells[from], cells[to]];
  return first && last ? { from: first.from, to: last.to, isOpen: last.isOpen } : null;
}

/** Whether a cell is selected. */
export function isIn({ from: begin }: Cell, selected: Selected | null, { names, shape }: Drawing): boolean {
  if (!selected) return false;
  if ("value" in selected) return selected.value === begin;
  if (names) return false;
  const place = (value: string, whenNone: number): number => {
    if (value === "") return whenNone;
    return shape === "time" ? timeOf(value) : Number(value);
  };
  const isDay = shape === "time" && DAY.test(selected.to) && !selected.isOpen; // to its end
  const [at, to] = [place(begin, NaN), place(selected.to, Infinity) + (isDay ? 1 : 0)];
  return at >= place(selected.from, -Infinity) && (selected.isOpen || isDay ? at < to : at <= to);
}

/** What is selected of a map, by the columns that say where. */
export function areaOf(own: readonly Filter[], values: Values, columns: readonly [string, string]): Area | null {
  const [lat, lon] = columns.map((column) => selectedOf(column, own, values));
  const said = [lat, lon].map((one) => (one && "from" in one ? [Number(one.from || NaN), Number(one.to || NaN)] : [NaN, NaN]));
  const [[south = NaN, north = NaN] = [], [west = NaN, east = NaN] = []] = said;
  return [south, north, west, east].every(Number.isFinite) ? { south, north, west, east } : null;
}

/** The state of the filters with a part of a map selected, or nothing of it (null). */
export function selectingArea(area: Area | null, own: readonly Filter[], values: Values, columns: readonly [string, string]): Values {
  const sides = area ? [[area.south, area.north], [area.west, area.east]] : [];
  return columns.reduce((now, column, n) => {
    const side = sides[n];
    return selecting(column, side ? { from: String(side[0]), to: String(side[1]), isOpen: false } : null, own, now);
  }, values);
}

/** Which columns say where the rows of a map are. */
export function whereOf(hasTracks: boolean): readonly [string, string] {
  return WHERE[hasTracks ? 0 : 1];
}

/** What is selected, in words: 40 to 45 km/s. */
export function saidOf(column: string, selected: Selected, unit = unitOf(column)): string {
  const one = (value: string): string => {
    const given = Number(value);
    if (value !== "" && Number.isFinite(given)) return number(given, Math.min(decimalsOf(given), 3));
    return value === "..." ? "sporadic" : value.replace(/^(\d{4}-\d\d-\d\d)T(.*?)Z?$/, "$1 $2");
  };
  const with_ = (words: string): string => (unit ? `${words} ${unit}` : words);
  if ("value" in selected) return with_(one(selected.value));
  const { from, to } = selected;
  if (from === to) return with_(one(from));
  if (!to) return with_(`from ${one(from)}`);
  return with_(from ? `${one(from)} to ${one(to)}` : `up to ${one(to)}`);
}

/** What is selected of a column by conditions, in words, and what these are called. */
export interface Conditions {
  column: string;
  says: string;
  names: string[];
}

/** The conditions that follow a dashboard's own filters, by their columns. */
export function conditionsIn(filters: readonly Filter[], own: readonly Filter[], values: Values): Conditions[] {
  const columns = new Map<string, string[]>();
  for (const { name } of filters.slice(own.length)) {
    const column = CONDITION.exec(name)?.[1] ?? name;
    columns.set(column, [...(columns.get(column) ?? []), name]);
  }
  return [...columns].flatMap(([column, names]) => {
    const selected = selectedOf(column, [], Object.fromEntries(names.map((name) => [name, values[name] ?? ""])));
    return selected ? [{ column, says: saidOf(column, selected), names }] : [];
  });
}

