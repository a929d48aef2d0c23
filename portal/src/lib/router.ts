import { isDate } from "./dates";

/** Addresses of the portal. The server sends the same page for each of them. */

export interface Place {
  page: "home" | "night" | "trajectory" | "showers" | "shower" | "stations" | "station" | "seen"
    | "explore" | "data" | "nowhere";
  /** What the page is of: a date, an identifier or a code. */
  of: string;
}

const PATTERNS: readonly [RegExp, Place["page"]][] = [
  [/^\/$/, "home"],
  [/^\/gmn\/nights\/(\d{4}-\d\d-\d\d)$/, "night"],
  [/^\/gmn\/trajectories\/([^/.]+)$/, "trajectory"],
  [/^\/gmn\/showers$/, "showers"],
  [/^\/gmn\/showers\/([^/.]+)$/, "shower"],
  [/^\/gmn\/stations$/, "stations"],
  [/^\/gmn\/stations\/([^/.]+)$/, "station"],
  [/^\/explore$/, "explore"],
  [/^\/seen$/, "seen"],
  [/^\/data$/, "data"],
];

export function place(path: string): Place {
  for (const [pattern, page] of PATTERNS) {
    const found = pattern.exec(path);
    if (found) {
      try {
        const of = decodeURIComponent(found[1] ?? "");
        if (page === "night" && !isDate(of)) break;
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
};
