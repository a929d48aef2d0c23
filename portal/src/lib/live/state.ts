/** What the live page shows: its address says so. */

export const SILENCE = "silence";

export interface LiveState {
  /** The quantity by which the map is coloured, or silence. */
  colour: string;
  /** Sensors that are compared, as STATION/SENSOR. */
  sensors: string[];
  /** Quantities of which each has a chart. */
  quantities: string[];
  window: Window;
}

/** The last so many seconds, or from when until when (ms since 1970). */
export type Window = { lastS: number } | { from: number; to: number };

export const MOST_SENSORS = 8;
const USUAL = { colour: "temperature_deg_c", quantities: ["temperature_deg_c"], lastS: 900 };
const LONGEST_S = 200 * 365 * 86_400;

export function read(search: string): LiveState {
  const given = new URLSearchParams(search);
  const sensors = given.getAll("sensor").filter((one) => /^[^/]+\/.+$/.test(one));
  const quantities = given.getAll("quantity").filter((one) => one !== "");
  return {
    colour: given.get("colour") || USUAL.colour,
    sensors: [...new Set(sensors)].slice(0, MOST_SENSORS),
    quantities: quantities.length ? [...new Set(quantities)] : USUAL.quantities,
    window: windowOf(given),
  };
}

function windowOf(given: URLSearchParams): Window {
  const [from, to] = [Date.parse(given.get("from") ?? ""), Date.parse(given.get("to") ?? "")];
  if (to > from) return { from, to };
  const lastS = Number(given.get("last"));
  return { lastS: lastS >= 1 && lastS <= LONGEST_S ? lastS : USUAL.lastS };
}

/** What follows the question mark; nothing for what is so anyway. */
export function written({ colour, sensors, quantities, window }: LiveState): string {
  const pairs: [string, string][] = [
    ...(colour === USUAL.colour ? [] : [["colour", colour] as [string, string]]),
    ...sensors.map((one): [string, string] => ["sensor", one]),
    ...(String(quantities) === String(USUAL.quantities)
      ? []
      : quantities.map((one): [string, string] => ["quantity", one])),
  ];
  if ("from" in window) {
    pairs.push(["from", new Date(window.from).toISOString()], ["to", new Date(window.to).toISOString()]);
  } else if (window.lastS !== USUAL.lastS) pairs.push(["last", String(window.lastS)]);
  return String(new URLSearchParams(pairs));
}

/** With one more of them, or without it. */
export function toggled(of: readonly string[], one: string, most = Infinity): string[] {
  return of.includes(one) ? of.filter((other) => other !== one) : [...of, one].slice(-most);
}
