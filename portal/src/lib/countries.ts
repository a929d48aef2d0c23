/** Names of countries, as the browser has them. */

const NAMES = new Intl.DisplayNames("en", { type: "region", fallback: "none" });

/** Stations' codes begin as ISO 3166 has it, but for the United Kingdom. */
export function countryName(code: string): string | undefined {
  try {
    return NAMES.of(code === "UK" ? "GB" : code.toUpperCase());
  } catch {
    return undefined; // no two letters
  }
}
