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

/** What the name of a column says without its unit: begin_height_km is "begin height". */
export function label(name: string, unit?: string): string {
  const endings: Record<string, string> = {
    "deg": "_deg", "km/s": "_km_s", "km": "_km", "AU": "_au", "s": "_s", "kg": "_kg",
    "arcsec": "_arcsec", "d": "_d", "a": "_years", "deg/d": "_deg_d",
  };
  const ending = unit === undefined ? undefined : endings[unit];
  const bare = ending !== undefined && name.endsWith(ending) ? name.slice(0, -ending.length) : name;
  return bare.replaceAll("_", " ").replace(/\butc\b/, "UTC").replace(/\biau\b/, "IAU");
}
