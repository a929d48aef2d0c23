/** Numbers and times as astronomers print them. */

const MINUS = "\u2212";
const THIN = "\u2009";

/** A number with so many decimals and thin spaces between thousands; a dash for none. */
export function number(value: number | null | undefined, decimals = 0): string {
  if (value === null || value === undefined || !Number.isFinite(value)) return "–";
  const [whole = "", fraction] = Math.abs(value).toFixed(decimals).split(".");
  const grouped = whole.replace(/\B(?=(\d{3})+$)/g, THIN);
  const isZero = !/[1-9]/.test(whole + (fraction ?? ""));
  return `${value < 0 && !isZero ? MINUS : ""}${grouped}${fraction ? `.${fraction}` : ""}`;
}

/** A value with its uncertainty, both to two digits of the latter: 59.12 ± 0.18. */
export function measured(value: number | null, sigma: number | null): string {
  if (value === null) return "–";
  if (sigma === null || !(sigma > 0)) return number(value, decimalsOf(value));
  const digits = Math.min(Math.max(1 - Math.floor(Math.log10(sigma)), 0), 6);
  return `${number(value, digits)} ± ${number(sigma, digits)}`;
}

/** As many decimals as a value was given with, up to six. */
export function decimalsOf(value: number): number {
  const [, fraction = ""] = String(Number(value.toFixed(6))).split(".");
  return fraction.includes("e") ? 6 : fraction.length;
}

/** The decimals of the longest of some numbers; undefined if there is none. */
export function mostDecimals(values: readonly unknown[]): number | undefined {
  const decimals = values.flatMap((value) => (typeof value === "number" ? [decimalsOf(value)] : []));
  return decimals.length ? decimals.reduce((one, other) => Math.max(one, other)) : undefined;
}

/** A value of an answer as text. */
export function shown(value: unknown): string {
  if (value === null || value === undefined || value === "") return "–";
  if (typeof value === "number") return number(value, decimalsOf(value));
  if (typeof value === "boolean") return value ? "yes" : "no";
  if (Array.isArray(value)) return value.join(", ");
  const said = String(value);
  return /^\d{4}-\d\d-\d\dT/.test(said) ? utc(said) : said;
}

/** A time (UTC) to the tenth of a second: 2026-08-13 22:04:18.7. */
export function utc(iso: string): string {
  const [date = "", clock = ""] = iso.replace("Z", "").replace(" ", "T").split("T");
  const [whole = "", fraction] = clock.split(".");
  return `${date} ${whole}${fraction ? `.${fraction.slice(0, 1)}` : ""}`.trim();
}

/** Endings of names that tell the unit; the longer ones come first. */
const ENDINGS: readonly [string, string][] = [
  ["_deg_per_deg", "deg/deg"], ["_mag_arcsec2", "mag/arcsec^2"], ["_percent", "%"], ["_deg_c", "deg C"],
  ["_hpa", "hPa"], ["_mm_h", "mm/h"], ["_m_s", "m/s"], ["_lx", "lx"], ["_km_s", "km/s"], ["_deg_d", "deg/d"], ["_arcsec", "arcsec"],
  ["_years", "a"], ["_deg", "deg"], ["_km", "km"], ["_au", "AU"], ["_kg", "kg"], ["_s", "s"], ["_m", "m"],
];

/** What the short names of the network's files stand for. */
const WORDS: Record<string, string> = {
  rageo: "geocentric right ascension", decgeo: "geocentric declination",
  lamgeo: "geocentric ecliptic longitude", betgeo: "geocentric ecliptic latitude",
  vgeo: "geocentric speed", lamhel: "heliocentric ecliptic longitude",
  bethel: "heliocentric ecliptic latitude", vhel: "heliocentric speed",
  raapp: "apparent right ascension", decapp: "apparent declination",
  vinit: "initial speed", vavg: "average speed", tisserand_jupiter: "Tisserand's parameter (Jupiter)",
  f_parameter: "F parameter", begin_in_fov: "beginning in the field of view",
  end_in_fov: "end in the field of view", peak_absolute_magnitude: "magnitude",
  iau_shower_code: "shower", trajectory_identifier: "trajectory", station_code: "station",
  beginning_utc_time: "beginning (UTC)", bin_date: "date", d_sh: "D (SH)", d_d: "D (D)", d_j: "D (J)",
  of_the_networks: "ratio to the network's", ra: "right ascension", dec: "declination",
  ra_error: "its error", dec_error: "its error", vgeo_error: "its error",
  ra_drift: "drift in right ascension", dec_drift: "drift in declination",
};

/** The unit of a column: as the server says, or as its name ends. */
export function unitOf(name: string, unit?: string): string | undefined {
  return unit ?? ENDINGS.find(([ending]) => name.endsWith(ending))?.[1];
}

/** What the name of a column says without its unit: begin_height_km is "begin height". */
export function label(name: string): string {
  const ending = ENDINGS.find(([end]) => name.endsWith(end))?.[0] ?? "";
  const bare = name.slice(0, name.length - ending.length);
  return WORDS[bare] ?? bare.replaceAll("_", " ").replace(/\biau\b/, "IAU").replace(/\butc\b/, "UTC");
}
