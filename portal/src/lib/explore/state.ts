/** What is selected, filtered, zoomed and compared: all of it stands in the address. */

/** A view as the server declares and counts it. */
export interface View {
  name: string;
  title: string;
  kind: "interval" | "plane" | "category" | "members";
  axes: Axis[];
  /** Without those for outside and null, which follow. */
  bins: number;
  labels: string[];
}

export interface Axis {
  title: string;
  unit: string | null;
  sql: string;
  column: string | null;
  /** Numbers; of time seconds since 1970. */
  from: number;
  to: number;
  bins: number;
  isCircular: boolean;
  isTime: boolean;
  isClosed: boolean;
}

/** A part of a view: [from, to] of each axis, or values. */
export type Brush = { spans: [number, number][] } | { values: string[] };

export interface Selection {
  brushes: Record<string, Brush>;
  /** Filters by columns, as tables have them. */
  filters: [string, string][];
  asOf: string;
}

export interface State extends Selection {
  zooms: Record<string, Brush>;
  sky: string;
  /** Another selection, drawn as an outline. */
  compare: Selection | null;
}

export const SKIES = ["radiant_sun_centred", "radiant_equatorial", "radiant_ecliptic"] as const;
const TIMES = /^(\d{4}-.+?):(\d{4}-.+)$/;

/** Seconds since 1970 as addresses have them: the shortest that says it. */
export function timeText(seconds: number): string {
  const text = new Date(Math.round(seconds) * 1000).toISOString().slice(0, 19);
  return text.endsWith("T00:00:00") ? text.slice(0, 10) : text;
}

export function seconds(text: string): number {
  return Date.parse(text.length > 10 ? `${text.replace(/Z$/, "")}Z` : `${text}T00:00:00Z`) / 1000;
}

/** A number as short as its drawing allows. */
function short(value: number): string {
  return String(Number(value.toPrecision(9)));
}

export function brushText(name: string, brush: Brush): string {
  if ("values" in brush) return `${name}:${brush.values.join(",")}`;
  const text = name === "time" ? timeText : short;
  return `${name}:${brush.spans.map(([from, to]) => `${text(from)}:${text(to)}`).join(":")}`;
}

/** None for what is no brush; whether there is such a view the server says. */
export function readBrush(text: string): [string, Brush] | null {
  const colon = text.indexOf(":");
  if (colon < 1) return null;
  const [name, rest] = [text.slice(0, colon), text.slice(colon + 1)];
  if (["shower", "station", "flag"].includes(name)) {
    const values = rest.split(",").filter(Boolean);
    return values.length ? [name, { values }] : null;
  }
  const parts = name === "time" ? TIMES.exec(rest)?.slice(1).map(seconds) : rest.split(":").map(Number);
  if (!parts || ![2, 4].includes(parts.length) || parts.some((part) => !Number.isFinite(part))) return null;
  const spans: [number, number][] = [];
  for (let at = 0; at < parts.length; at += 2) spans.push([parts[at] ?? 0, parts[at + 1] ?? 0]);
  return [name, { spans }];
}

function brushesOf(texts: readonly string[]): Record<string, Brush> {
  return Object.fromEntries(texts.map(readBrush).filter((one) => one !== null));
}

export function readSelection(search: URLSearchParams): Selection {
  const filters = [...search].filter(([name, value]) => !name.startsWith("_") && (value || name.includes("__")));
  return { brushes: brushesOf(search.getAll("_brush")), filters, asOf: search.get("_as_of") ?? "" };
}

export function readState(search: string): State {
  const given = new URLSearchParams(search);
  const sky = given.get("_sky") ?? "";
  const compare = given.get("_compare");
  return {
    ...readSelection(given),
    zooms: brushesOf(given.getAll("_zoom")),
    sky: SKIES.find((one) => one === sky) ?? SKIES[0],
    compare: compare === null ? null : readSelection(new URLSearchParams(compare)),
  };
}

/** As parameters of the server's cubes. */
export function selectionQuery(of: Selection): URLSearchParams {
  const query = new URLSearchParams(of.filters);
  for (const name of Object.keys(of.brushes).sort()) {
    const brush = of.brushes[name];
    if (brush) query.append("_brush", brushText(name, brush));
  }
  if (of.asOf) query.set("_as_of", of.asOf);
  return query;
}

export function stateQuery(of: State): string {
  const query = selectionQuery(of);
  for (const [name, brush] of Object.entries(of.zooms)) query.append("_zoom", brushText(name, brush));
  if (of.sky !== SKIES[0]) query.set("_sky", of.sky);
  if (of.compare) query.set("_compare", readable(selectionQuery(of.compare)));
  return readable(query);
}

/** Colons and commas stand for themselves in a query. */
function readable(query: URLSearchParams): string {
  return String(query).replaceAll("%3A", ":").replaceAll("%2C", ",");
}

/** The same selection as filters of the table: by columns where that says it, by SQL where not. */
export function tableFilters(of: Selection, views: readonly View[]): Record<string, string> {
  const filters: Record<string, string> = {};
  const wheres: string[] = [];
  for (const [name, value] of of.filters) {
    if (name in filters) wheres.push(again(name, value));
    else filters[name] = value;
  }
  const put = (name: string, value: string, where: string): void => {
    if (name in filters) wheres.push(where);
    else filters[name] = value;
  };
  for (const [name, brush] of Object.entries(of.brushes)) {
    const view = views.find((one) => one.name === name);
    if (!view) continue;
    if ("values" in brush) {
      const list = brush.values.map((value) => `'${value.replaceAll("'", "''")}'`).join(", ");
      if (view.kind === "category") {
        put("iau_shower_code__in", brush.values.join(","), `iau_shower_code IN (${list})`);
      } else {
        const column = name === "station" ? "participating_stations" : "quality_flags";
        put(`${column}__arraycontainsany`, brush.values.join(","), `list_has_any(${column}, [${list}])`);
      }
      continue;
    }
    brush.spans.forEach(([from, to], at) => {
      const axis = view.axes[at];
      if (!axis) return;
      const [low, high] = axis.isTime ? [timeText(from), timeText(to)] : [short(from), short(to)];
      const [a, b] = axis.isTime ? [`TIMESTAMP '${low}'`, `TIMESTAMP '${high}'`] : [low, high];
      const isTop = axis.isClosed && to === axis.to;
      const of_ = axis.column ?? `(${axis.sql})`;
      if (from > to) wheres.push(`(${of_} >= ${a} OR ${of_} < ${b})`);
      else if (axis.column === null) wheres.push(`${of_} >= ${a} AND ${of_} ${isTop ? "<=" : "<"} ${b}`);
      else {
        put(`${axis.column}__gte`, low, `${axis.column} >= ${a}`);
        put(`${axis.column}__${isTop ? "lte" : "lt"}`, high, `${axis.column} ${isTop ? "<=" : "<"} ${b}`);
      }
    });
  }
  if (wheres.length) filters["_where"] = wheres.join(" AND ");
  return filters;
}

const SIGNS: Record<string, string> = { exact: "=", not: "<>", gt: ">", gte: ">=", lt: "<", lte: "<=" };

/** A filter that is there already, with another value: rather nothing than too much where SQL has no sign for it. */
function again(name: string, value: string): string {
  const [column = "", operator = "exact"] = name.split("__");
  const sign = SIGNS[operator];
  return sign ? `${column} ${sign} '${value.replaceAll("'", "''")}'` : "false";
}

/** The same a year earlier: dates by the calendar, so that what is compared is the same season. */
export function yearBefore(of: Selection): Selection | null {
  const time = of.brushes["time"];
  if (!time || !("spans" in time)) return null;
  const spans = time.spans.map(([from, to]) => [aYearBefore(from), aYearBefore(to)] as [number, number]);
  return { ...of, brushes: { ...of.brushes, time: { spans } } };
}

function aYearBefore(time: number): number {
  const date = new Date(time * 1000);
  date.setUTCFullYear(date.getUTCFullYear() - 1);
  return date.getTime() / 1000;
}
