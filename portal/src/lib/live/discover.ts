/** The span of time that filters of a table of readings let through, and other filters with another. */

import { changed, parameter, type Filter, type Selection } from "../selection";

export const TIME = "measured_at_utc";
const BEGINS = ["gte", "gt"];
const ENDS = ["lt", "lte"];

function timeOf(filters: readonly Filter[], operators: readonly string[]): number | null {
  const found = filters.find(({ column, operator }) => column === TIME && operators.includes(operator));
  if (!found) return null;
  const text = /[zZ]|[+-]\d\d:?\d\d$/.test(found.value.slice(10)) ? found.value : `${found.value.replace(" ", "T")}Z`;
  const at = Date.parse(text);
  return Number.isFinite(at) ? at : null;
}

/** What is asked of the histogram: all filters, and their span where they have one. */
export function histogramQuery({ filters, asOf }: Selection, bins: number): string {
  const [from, to] = [timeOf(filters, BEGINS), timeOf(filters, ENDS)];
  const pairs = filters.map((one): [string, string] => [parameter(one), one.value]);
  if (from !== null) pairs.push(["from", new Date(from).toISOString()]);
  if (to !== null) pairs.push(["to", new Date(to).toISOString()]);
  if (asOf) pairs.push(["_as_of", asOf]);
  return String(new URLSearchParams([...pairs, ["bins", String(bins)]]));
}

/** The same rows of another span; without one of any time. */
export function within(of: Selection, span: [number, number] | null): Selection {
  const others = of.filters.filter(
    ({ column, operator }) => column !== TIME || ![...BEGINS, ...ENDS].includes(operator),
  );
  if (span === null) return changed(of, { filters: others });
  const [from, to] = span.map((at) => new Date(at).toISOString()) as [string, string];
  return changed(of, {
    filters: [
      ...others, { column: TIME, operator: "gte", value: from }, { column: TIME, operator: "lt", value: to },
    ],
  });
}

export function hasSpan({ filters }: Selection): boolean {
  return timeOf(filters, [...BEGINS, ...ENDS]) !== null;
}
