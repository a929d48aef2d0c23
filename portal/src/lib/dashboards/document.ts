/** The document of a dashboard, as `/dashboards/schema.json` has it, and changing it.
 *
 * Every change makes another document: the one before stays what it was, to go back to.
 */

export type Mark = "line" | "bar" | "scatter" | "histogram" | "map" | "table" | "number" | "text";
export type Fn = "count" | "distinct" | "sum" | "mean" | "median" | "minimum" | "maximum" | "deviation";
export type Span = "minute" | "hour" | "day" | "month" | "year";
export type Step = number | Span;
export type Height = "low" | "medium" | "tall";
export type Use = "project" | "content_type" | "size" | "day";

export interface Condition {
  column: string;
  operator: string;
  value: string;
}

export interface Grouped {
  column: string;
  step?: Step;
}

export interface Aggregate {
  function: Fn;
  column?: string;
}

export interface OfTable {
  from: "table";
  table: string;
  where?: Condition[];
  columns?: string[];
  group?: Grouped[];
  values?: Aggregate[];
  sort?: { column: string; descends: boolean };
  limit?: number;
}

export interface OfSql {
  from: "sql";
  sql: string;
}

export interface Ready {
  from: "ready";
  question: string;
  parameters?: Record<string, string>;
}

export interface OfObjects {
  from: "objects";
  by: Use;
}

export type Question = OfTable | OfSql | Ready | OfObjects;

export interface Panel {
  id: string;
  title?: string;
  mark: Mark;
  /** Of twelve columns of the page. */
  width: number;
  height?: Height;
  text?: string;
  note?: string;
  question?: Question;
  x?: string;
  y?: string[];
  /** Column whose values are a series each. */
  series?: string;
  /** Columns of a table. */
  show?: string[];
  /** Width of a histogram's bars. */
  step?: Step;
  /** How old an answer may be; without it, it is that of now. */
  keep_s?: number;
}

export interface Filter {
  name: string;
  label: string;
  kind: "text" | "number" | "date" | "time" | "shower" | "station";
  operator: string;
  /** Columns of tables, parameters of ready questions and :names in SQL that it stands for. */
  columns: string[];
  value?: string;
}

export interface Document {
  version: 1;
  title: string;
  description?: string;
  filters?: Filter[];
  panels: Panel[];
}

export const LEAST_WIDTH = 3;
export const MOST_WIDTH = 12;
const NAME = /^[A-Za-z][A-Za-z0-9_]{0,62}$/;
/** What the address of a dashboard says beside the state of its filters. */
const OF_THE_PAGE = new Set(["edit", "embed", "theme", "version", "from", "link"]);

/** Whether a filter may be called so. */
export function isFilterName(name: string): boolean {
  return NAME.test(name) && !OF_THE_PAGE.has(name);
}

export function blank(): Document {
  return { version: 1, title: "", panels: [] };
}

/** An identifier that no panel has. */
export function freshId(panels: readonly Panel[]): string {
  const there = new Set(panels.map(({ id }) => id));
  let n = panels.length + 1;
  while (there.has(`p${n}`)) n += 1;
  return `p${n}`;
}

export function withPanel(of: Document, panel: Panel): Document {
  return { ...of, panels: of.panels.map((one) => (one.id === panel.id ? panel : one)) };
}

export function without(of: Document, id: string): Document {
  return { ...of, panels: of.panels.filter((one) => one.id !== id) };
}

/** Another one after a panel, or after all of them. */
export function added(of: Document, panel: Panel, after?: string): Document {
  const at = of.panels.findIndex(({ id }) => id === after);
  const panels = [...of.panels];
  panels.splice(at < 0 ? panels.length : at + 1, 0, panel);
  return { ...of, panels };
}

/** With a panel at another place. */
export function moved(of: Document, id: string, to: number): Document {
  const from = of.panels.findIndex((one) => one.id === id);
  const place = Math.min(Math.max(to, 0), of.panels.length - 1);
  if (from < 0 || place === from) return of;
  const panels = of.panels.filter((one) => one.id !== id);
  panels.splice(place, 0, of.panels[from] as Panel);
  return { ...of, panels };
}

export function sized(of: Document, id: string, by: number): Document {
  const panel = of.panels.find((one) => one.id === id);
  if (!panel) return of;
  const width = Math.min(Math.max(panel.width + by, LEAST_WIDTH), MOST_WIDTH);
  return width === panel.width ? of : withPanel(of, { ...panel, width });
}

/** The same without what says nothing: an empty text, no filters, no columns. */
export function plain<T extends object>(of: T): T {
  const kept = Object.entries(of).filter(([, value]) =>
    value !== undefined && value !== "" && !(Array.isArray(value) && value.length === 0));
  return Object.fromEntries(kept) as T;
}

/** What keeps a document from being saved, in words; empty if nothing does. */
export function wrongWith(of: Document): string {
  if (!of.title.trim()) return "The dashboard has no title yet.";
  const names = (of.filters ?? []).map(({ name }) => name);
  for (const name of names) {
    if (!isFilterName(name)) return `A filter cannot be called “${name}”: letters, digits and _.`;
  }
  if (new Set(names).size < names.length) return "Two filters have one name.";
  for (const { title, id, mark, text, question } of of.panels) {
    const which = title || id;
    if (mark === "text" && text === undefined) return `The panel “${which}” has no text.`;
    if (mark !== "text" && question === undefined) return `The panel “${which}” asks nothing.`;
    if (question?.from === "sql" && !question.sql.trim()) return `The panel “${which}” has no SQL.`;
  }
  return "";
}

/** As it is sent: panels without what goes with another mark only. */
export function tidy(of: Document): Document {
  const panels = of.panels.map((panel) => {
    const { question, text, ...rest } = panel;
    if (panel.mark === "text") return { ...plain(rest), text: text ?? "" };
    return { ...plain(rest), ...(question ? { question: plain(question) } : {}) };
  });
  const filters = (of.filters ?? []).map((one) => ({ ...plain(one), columns: one.columns }));
  return { ...plain({ ...of, filters }), title: of.title, panels };
}
