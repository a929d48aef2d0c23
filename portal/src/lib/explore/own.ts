/** One's own file of meteors: read here, shown beside the network's, and never sent. */

import type { Axis, Brush, View } from "./state";

/** A meteor by the names of views: a number, two of a plane, or texts. */
export type OwnMeteor = Record<string, number | null | [number | null, number | null] | string[]>;

export interface OwnFile {
  name: string;
  format: string;
  meteors: OwnMeteor[];
  /** Lines that could not be read: why, how many, and the first ones' numbers. */
  unread: { why: string; count: number; lines: number[] }[];
}

const MOST_BYTES = 64 << 20;
const MOST_METEORS = 200_000;
const LINES_SHOWN = 5;
const SUMMARY_COLUMNS = 86;
const CAMS_COLUMNS = 35;

/** What a line says, by names that all formats have in common. */
interface Said {
  time: number | null;
  number: (column: string) => number | null;
  text: (column: string) => string;
}

class Unread extends Error {}

/** Raises Error with what to say where it is no such file at all. */
export async function readFile(file: File): Promise<OwnFile> {
  if (file.size > MOST_BYTES) throw new Error(`It is larger than ${MOST_BYTES >> 20} MB.`);
  return readText(file.name, await file.text());
}

export function readText(name: string, text: string): OwnFile {
  const lines = text.split(/\r\n|\n\r|\n|\r/);
  const [format, read, first] = formatOf(lines);
  const meteors: OwnMeteor[] = [];
  const unread = new Map<string, { why: string; count: number; lines: number[] }>();
  for (let at = first; at < lines.length; at++) {
    const line = lines[at] ?? "";
    if (line.trim() === "" || line.startsWith("#")) continue;
    if (meteors.length >= MOST_METEORS) throw new Error(`It has more than ${MOST_METEORS} meteors.`);
    try {
      meteors.push(meteor(read(line)));
    } catch (error) {
      if (!(error instanceof Unread)) throw error;
      const one = unread.get(error.message) ?? { why: error.message, count: 0, lines: [] };
      one.count += 1;
      if (one.lines.length < LINES_SHOWN) one.lines.push(at + 1);
      unread.set(error.message, one);
    }
  }
  if (meteors.length === 0 && unread.size === 0) throw new Error("There is no meteor in it.");
  return { name, format, meteors, unread: [...unread.values()] };
}

type Reader = (line: string) => Said;

/** The format, how to read a line, and the first line of data. Raises Error. */
function formatOf(lines: readonly string[]): [string, Reader, number] {
  const head = lines.slice(0, 12);
  const ufo = head.findIndex((line) => /^"?_Version"?,|,"?_localtime"?,/i.test(line));
  if (ufo >= 0) return ["UFOOrbit CSV", ufoReader(head[ufo] ?? ""), ufo + 1];
  const cams = head.findIndex((line) => line.includes("RAinf") && line.includes("LatBeg"));
  if (cams >= 0) {
    const first = lines.findIndex((line, at) => at > cams && /^\s*\d+[\s,]+\d+[/-]\d+[/-]\d+/.test(line));
    return ["CAMS summary", camsReader, first < 0 ? lines.length : first];
  }
  if (head.some((line) => line.split(";").length >= 80)) return ["trajectory summary", summaryReader, 0];
  throw new Error("It is none of: the network's trajectory summary, UFOOrbit's CSV, a summary of CAMS.");
}

function asNumber(text: string | undefined): number | null {
  const bare = (text ?? "").trim();
  if (bare === "" || /^(nan|none|null)$/i.test(bare)) return null;
  const value = Number(bare);
  if (!Number.isFinite(value)) throw new Unread("a number that is none");
  return value;
}

function asTime(year: number, month: number, day: number, clock: string): number {
  const [, hours = "0", minutes = "0", seconds = "0"] = /^(\d{1,2}):?(\d{2}):?(\d{2}(?:\.\d+)?)$/.exec(clock.trim()) ?? [];
  const date = Date.UTC(year, month - 1, day);
  const isDay = new Date(date).getUTCDate() === day && month >= 1 && month <= 12 && year > 1900 && year < 2200;
  if (!isDay || !/\d/.test(clock)) throw new Unread("a time that is none");
  return date / 1000 + Number(hours) * 3600 + Number(minutes) * 60 + Number(seconds);
}

// Formats ------------------------------------------------------------------------------------------

const IN_SUMMARY: Record<string, number> = {
  shower: 4, sun: 5, ra: 7, dec: 9, lon: 11, lat: 13, speed: 15, a: 23, e: 25, i: 27, tisserand: 49,
  lat1: 63, lon1: 65, h1: 67, lat2: 69, lon2: 71, h2: 73, magnitude: 76, mass: 79, qc: 80, count: 84, stations: 85,
};

function summaryReader(line: string): Said {
  const parts = line.split(";");
  if (parts.length !== SUMMARY_COLUMNS) throw new Unread(`not ${SUMMARY_COLUMNS} columns`);
  const [, year, month, day, clock] = /^\s*(\d{4})-(\d\d)-(\d\d)[ T](.+?)(?:\+00:00|Z)?\s*$/.exec(parts[2] ?? "") ?? [];
  return {
    time: asTime(Number(year), Number(month), Number(day), clock ?? ""),
    number: (column) => column in IN_SUMMARY ? asNumber(parts[IN_SUMMARY[column] ?? -1]) : null,
    text: (column) => (parts[IN_SUMMARY[column] ?? -1] ?? "").trim(),
  };
}

const IN_UFO: Record<string, string> = {
  shower: "_stream", sun: "_sol", ra: "_ra_t", dec: "_dc_t", lon: "_elng", lat: "_elat", speed: "_vg", a: "_a", e: "_e",
  i: "_incl", lat1: "_lat1", lon1: "_lng1", h1: "_H1", lat2: "_lat2", lon2: "_lng2", h2: "_H2", magnitude: "_amag",
  qc: "_Qc", count: "_Nos",
};

function ufoReader(header: string): Reader {
  const names = header.replaceAll('"', "").split(",").map((name) => name.trim());
  return (line) => {
    const parts = line.replaceAll('"', "").split(",");
    if (parts.length < names.length - 1) throw new Unread(`fewer than ${names.length} columns`);
    const cell = (name: string): string => (parts[names.indexOf(name)] ?? "").trim();
    const [year, month, day] = ["_Y_ut", "_M_ut", "_D_ut"].map((name) => asNumber(cell(name)));
    let time: number | null = null;
    if (year && month && day) {
      time = asTime(year, month, day, "0:00:00") + (asNumber(cell("_h_ut")) ?? 0) * 3600 +
        (asNumber(cell("_m_ut")) ?? 0) * 60 + (asNumber(cell("_s_ut")) ?? 0);
    } else {
      const [, y, m, d, clock] = /^_?(\d{4})(\d\d)(\d\d)_(\d{6})/.exec(cell("_localtime")) ?? [];
      time = asTime(Number(y), Number(m), Number(d), clock ?? "");
    }
    return {
      time,
      number: (column) => column in IN_UFO ? asNumber(cell(IN_UFO[column] ?? "")) : null,
      // Its codes have what list they are of in front: _J8_PER.
      text: (column) => column === "shower" ? cell("_stream").replace(/^_?[A-Z]\d*_/, "") : "",
    };
  };
}

/** Speeds and radiants there are apparent ones: what is geocentric stays empty. */
const IN_CAMS: Record<string, number> = { lat1: 15, lon1: 17, h1: 19, lat2: 21, lon2: 23, h2: 25, qc: 27, magnitude: 31 };

function camsReader(line: string): Said {
  const parts = line.trim().split(/[\s,]+/);
  if (parts.length < CAMS_COLUMNS - 1) throw new Unread(`fewer than ${CAMS_COLUMNS} columns`);
  const date = (parts[1] ?? "").split(/[/-]/).map(Number);
  // Months come first there; a year in front is one as well.
  const [year = 0, month = 0, day = 0] = (date[0] ?? 0) > 31 ? date : [date[2] ?? 0, date[0] ?? 0, date[1] ?? 0];
  return {
    time: asTime(year, month, day, parts[2] ?? ""),
    number: (column) => column in IN_CAMS ? asNumber(parts[IN_CAMS[column] ?? -1]) : null,
    text: () => "",
  };
}

/** What any format says, as the views have it. */
function meteor(said: Said): OwnMeteor {
  const { number } = said;
  const [lon, sun, mass] = [number("lon"), number("sun"), number("mass")];
  const east = (value: number | null): number | null => value === null ? null : ((((value + 180) % 360) + 360) % 360) - 180;
  const latitude = number("lat1");
  if (latitude !== null && Math.abs(latitude) > 90) throw new Unread("a latitude beyond the poles");
  const code = said.text("shower");
  const isSporadic = /^(spo|sporadic|\.\.\.)$/i.test(code);
  return {
    time: said.time, solar_longitude: sun, speed: number("speed"), magnitude: number("magnitude"),
    begin_height: number("h1"), end_height: number("h2"), inclination: number("i"), tisserand: number("tisserand"),
    convergence: number("qc"), stations_each: number("count"), mass: mass !== null && mass > 0 ? Math.log10(mass) : null,
    ground: [east(number("lon1")), latitude], end: [east(number("lon2")), number("lat2")],
    radiant_equatorial: [number("ra"), number("dec")], radiant_ecliptic: [lon, number("lat")],
    radiant_sun_centred: [lon === null || sun === null ? null : (lon - sun + 720) % 360, number("lat")],
    orbit: [number("a"), number("e")],
    shower: code === "" ? [] : [isSporadic ? "..." : code.toUpperCase()],
    station: said.text("stations").split(",").map((one) => one.trim()).filter(Boolean),
  };
}

// Beside the network's -----------------------------------------------------------------------------

/** Those that every brush but one view's own lets through. */
export function selectedOf(meteors: readonly OwnMeteor[], brushes: Record<string, Brush>, except = ""): OwnMeteor[] {
  const some = Object.entries(brushes).filter(([name]) => name !== except);
  return meteors.filter((one) => some.every(([name, brush]) => isIn(one[name], brush)));
}

function isIn(value: OwnMeteor[string] | undefined, brush: Brush): boolean {
  if ("values" in brush) return Array.isArray(value) && brush.values.some((one) => (value as unknown[]).includes(one));
  const values = Array.isArray(value) ? value : [value];
  return brush.spans.every(([from, to], at) => {
    const one = values[at];
    if (typeof one !== "number") return false;
    return from > to ? one >= from || one < to : one >= from && one < to;
  });
}

/** In the bins of an interval. */
export function countsOf(meteors: readonly OwnMeteor[], view: View): Uint32Array {
  const counts = new Uint32Array(view.bins + 2);
  const axis = view.axes[0];
  if (!axis) return counts;
  for (const one of meteors) {
    const bin = binOf(one[view.name], axis, view.bins);
    counts[bin] = (counts[bin] ?? 0) + 1;
  }
  return counts;
}

function binOf(value: OwnMeteor[string] | undefined, axis: Axis, bins: number): number {
  if (typeof value !== "number") return bins + 1;
  const at = Math.floor(((value - axis.from) * bins) / (axis.to - axis.from));
  return at >= 0 && at < bins ? at : bins;
}
