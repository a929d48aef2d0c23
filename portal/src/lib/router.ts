import { isDate } from "./dates";

/** Addresses of the portal. The server sends the same page for each of them. */

export interface Place {
  page: "home" | "night" | "trajectory" | "showers" | "shower" | "stations" | "station"
    | "countries" | "country" | "seen" | "explore" | "data" | "tables" | "table" | "row"
    | "question" | "sql" | "dashboards" | "dashboard" | "live" | "readings" | "reading" | "objects" | "crawls" | "nowhere";
  /** What the page is of: a date, an identifier, a code, or the name of a table or ready question. */
  of: string;
  /** Of a row: its key, as the address has it. Of objects: the container; of crawls: the one. */
  key?: string;
}

/** Tables have two names of their store: ours, and that of the old platform. */
const STORE = "\\/(?:gmn|gmn_data_store)";

const PATTERNS: readonly [RegExp, Place["page"]][] = [
  [/^\/$/, "home"],
  [/^\/gmn\/nights\/(\d{4}-\d\d-\d\d)$/, "night"],
  [/^\/gmn\/trajectories\/([^/.]+)$/, "trajectory"],
  [/^\/gmn\/showers$/, "showers"],
  [/^\/gmn\/showers\/([^/.]+)$/, "shower"],
  [/^\/gmn\/stations$/, "stations"],
  [/^\/gmn\/stations\/([^/.]+)$/, "station"],
  [/^\/explore$/, "explore"],
  [/^\/gmn\/countries$/, "countries"],
  [/^\/gmn\/countries\/([^/.]+)$/, "country"],
  [/^\/live$/, "live"],
  [/^\/readings\/([a-z_]+)$/, "readings"],
  [/^\/readings\/([a-z_]+)\/([^/.]+)$/, "reading"],
  [/^\/objects(?:\/([a-z0-9][a-z0-9-]{0,62}))?(?:\/([a-z0-9][a-z0-9-]{0,62}))?$/, "objects"],
  [/^\/objects\/_crawls\/([a-z0-9][a-z0-9-]{0,62})(?:\/([a-z0-9][a-z0-9-]{0,62}))?$/, "crawls"],
  [/^\/dashboards$/, "dashboards"],
  [/^\/dashboards\/([a-z0-9][a-z0-9-]{0,62})$/, "dashboard"],
  [/^\/seen$/, "seen"],
  [/^\/data$/, "data"],
  [/^\/sql$/, "sql"],
];

/** Tables and what is in them: looked at last, since any name may be that of a table. */
const OF_TABLES: readonly [RegExp, Place["page"]][] = [
  [new RegExp(`^${STORE}(?:\\/queries)?$`), "tables"],
  [new RegExp(`^${STORE}\\/queries\\/([a-z_]+)$`), "question"],
  [/^\/gmn_data_store\/trajectories\/([^/.]+)$/, "trajectory"],
  [new RegExp(`^${STORE}\\/([a-z_]+)$`), "table"],
  [new RegExp(`^${STORE}\\/(?!nights\\/|showers\\/)([a-z_]+)\\/([^/.]+)$`), "row"],
];

export function place(path: string): Place {
  for (const [pattern, page] of [...PATTERNS, ...OF_TABLES]) {
    const found = pattern.exec(path);
    if (found) {
      try {
        const of = decodeURIComponent(found[1] ?? "");
        if (page === "night" && !isDate(of)) break;
        if (page === "row" || page === "reading" || page === "objects" || page === "crawls") return { page, of, key: decodeURIComponent(found[2] ?? "") };
        return { page, of };
      } catch {
        break; // a % that codes nothing
      }
    }
  }
  return { page: "nowhere", of: path };
}

export const to = {
  night: (date: string) => `/gmn/nights/${encodeURIComponent(date)}`,
  trajectory: (identifier: string) => `/gmn/trajectories/${encodeURIComponent(identifier)}`,
  shower: (code: string) => `/gmn/showers/${encodeURIComponent(code)}`,
  station: (code: string) => `/gmn/stations/${encodeURIComponent(code)}`,
  /** Where the portal has a page of that name of its own, the table is at the old platform's address. */
  table: (name: string, store = "gmn") => store === "gmn" ? to.warehouse(name) : `/${store}/${encodeURIComponent(name)}`,
  /** As SQL names it: readings.sensors. */
  named: (name: string) => name.startsWith("readings.") ? to.table(name.slice(9), "readings") : to.table(name),
  warehouse: (name: string) => `/${name === "stations" ? "gmn_data_store" : "gmn"}/${encodeURIComponent(name)}`,
  row: (name: string, key: string, store = "gmn") => `${to.table(name, store)}/${encodeURIComponent(key).replaceAll("%2C", ",")}`,
  question: (name: string) => `/gmn/queries/${encodeURIComponent(name)}`,
  sql: (sql: string) => `/sql?${new URLSearchParams({ sql })}`,
  crawl: (project: string, name = "") => `/objects/_crawls/${project}${name ? `/${name}` : ""}`,
  dashboard: (id: string) => `/dashboards/${encodeURIComponent(id)}`,
  country: (code: string) => `/gmn/countries/${encodeURIComponent(code)}`,
};
