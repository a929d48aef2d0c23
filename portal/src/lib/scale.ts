/** From values to places on a drawing. */

export interface Scale {
  (value: number): number;
  domain: readonly [number, number];
  ticks: number[];
}

/** Round numbers between two values, some `count` of them. */
export function ticks(from: number, to: number, count: number): number[] {
  const span = to - from;
  if (!(span > 0)) return [from];
  const rough = span / Math.max(count, 1);
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = ([1, 2, 5, 10].find((m) => m * power >= rough) ?? 10) * power;
  const first = Math.ceil(from / step - 1e-9);
  const last = Math.floor(to / step + 1e-9);
  return Array.from({ length: last - first + 1 }, (_, n) => Number(((first + n) * step).toPrecision(12)));
}

/** A straight scale; an empty span is widened so that its value lies in the middle. */
export function linear(
  values: readonly [number, number],
  places: readonly [number, number],
  count = 6,
): Scale {
  let [from, to] = values;
  if (!(to > from)) [from, to] = [from - 0.5, from + 0.5];
  const at = (value: number): number =>
    places[0] + ((value - from) / (to - from)) * (places[1] - places[0]);
  return Object.assign(at, { domain: [from, to] as const, ticks: ticks(from, to, count) });
}

/** The least and the greatest of some values; [0, 1] of none. */
export function extent(values: readonly number[]): [number, number] {
  let [from, to] = [Infinity, -Infinity];
  for (const value of values) {
    if (value < from) from = value;
    if (value > to) to = value;
  }
  return from <= to ? [from, to] : [0, 1];
}

/** Cividis, which looks alike to people who see colours differently (Nuñez and others 2018). */
export const CIVIDIS = ["#00224e", "#123570", "#3b496c", "#575d6d", "#707173", "#8a8678", "#a59c74",
  "#c3b369", "#e1cc55", "#fee838"];

export function colour(share: number): string {
  const at = Math.round(Math.min(Math.max(share, 0), 1) * (CIVIDIS.length - 1));
  return CIVIDIS[at] ?? "#707173";
}

/** The same without its darkest colours, which do not show on a dark ground. */
export function brightColour(share: number): string {
  return colour(0.35 + 0.65 * Math.min(Math.max(share, 0), 1));
}
