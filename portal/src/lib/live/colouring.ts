/** Colours of sensors by what they told last, or by how long they have been silent. */

import { brightColour, colour } from "../scale";
import type { Quantity, Sensor } from "../readings";
import { lasted } from "./spans";
import { SILENCE } from "./state";

/** Of silence: from a second to a day, in equal steps of its logarithm. */
const SILENCES_S = [1, 86_400] as const;
const LONG_S = 600;
const QUIET = "#8a94a8";

export interface Colouring {
  /** Of a sensor, null for one that never told it. */
  of: (sensor: Sensor) => string | null;
  value: (sensor: Sensor) => number | null;
  says: (value: number | null) => string;
  title: string;
  /** Colours from the least to the greatest. */
  steps: string[];
  from: string;
  to: string;
}

export function silenceS(sensor: Sensor, now: number): number | null {
  if (sensor.last_heard_at_utc === null) return null;
  return Math.max((now - Date.parse(sensor.last_heard_at_utc)) / 1000, 0);
}

/** Whether it has been silent for so long that something is wrong. */
export function isSilent(sensor: Sensor, now: number): boolean {
  const seconds = silenceS(sensor, now);
  return seconds === null || seconds > LONG_S;
}

export function colouring(
  name: string,
  quantity: Quantity | undefined,
  sensors: readonly Sensor[],
  now: number,
  isDark: boolean,
): Colouring {
  const shade = isDark ? brightColour : (share: number): string => colour(share * 0.8);
  const steps = Array.from({ length: 8 }, (_, n) => shade(n / 7));
  if (name === SILENCE) {
    const [least, most] = SILENCES_S.map(Math.log) as [number, number];
    const value = (sensor: Sensor): number | null => silenceS(sensor, now);
    return {
      value, steps, title: "Silence", from: lasted(SILENCES_S[0]), to: `${lasted(SILENCES_S[1])} and more`,
      of: (sensor) => {
        const seconds = value(sensor);
        if (seconds === null) return null;
        return shade((Math.log(Math.max(seconds, 1)) - least) / (most - least));
      },
      says: (seconds) => (seconds === null ? "never heard" : `silent for ${lasted(seconds)}`),
    };
  }
  const unit = quantity?.unit ?? "";
  const value = (sensor: Sensor): number | null => sensor.values[name] ?? null;
  const [least, most] = middleOf(sensors.flatMap((one) => value(one) ?? []));
  const text = (of: number): string => `${Number(of.toPrecision(4))}${unit ? ` ${unit}` : ""}`;
  return {
    value, steps, title: quantity?.label ?? name, from: text(least), to: text(most),
    of: (sensor) => {
      const told = value(sensor);
      return told === null ? null : shade(most > least ? (told - least) / (most - least) : 0.5);
    },
    says: (told) => (told === null ? "not told" : text(told)),
  };
}

export const colourOrQuiet = (of: string | null): string => of ?? QUIET;

/** Where nearly all values lie: one sensor gone wrong does not make all others look alike. */
function middleOf(values: number[]): [number, number] {
  if (values.length === 0) return [0, 1];
  values.sort((a, b) => a - b);
  const at = (share: number): number => values[Math.round(share * (values.length - 1))] ?? 0;
  return [at(0.02), at(0.98)];
}
