/** Series of some sensors and quantities over a window of time that may move with the clock. */

import { series, type OneSeries, type SeriesAnswer } from "../readings";
import { pointsOf, withReading, type Point } from "./points";
import type { Sensors } from "./sensors.svelte";
import type { Window } from "./state";

const POINTS = 600;
/** So often all is asked anew: what came in between is told in less detail. */
const ANEW_MS = 60_000;
const AGAIN_MS = 3_000;

export interface Line extends Omit<OneSeries, "points"> {
  sensor: string;
  points: Point[];
}

export interface Shown {
  answer: SeriesAnswer;
  lines: Line[];
  /** The request that it is the answer to. */
  parameters: { series: string[]; from: string; to: string; points: number };
}

export class Following {
  shown = $state.raw<Shown | null>(null);
  error = $state.raw<unknown>(null);
  isBusy = $state(false);
  #asking: AbortController | null = null;
  /** Up to when what was taken in is among the points, ms since 1970. */
  #until = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(private readonly sensors: Sensors) {}

  /** Ask; what is shown stays until the answer is there. */
  async ask(wanted: readonly string[], quantities: readonly string[], window: Window): Promise<void> {
    this.stop();
    if (wanted.length === 0 || quantities.length === 0) {
      this.shown = null;
      return;
    }
    const asking = (this.#asking = new AbortController());
    this.isBusy = true;
    const [from, to] = edges(window, this.sensors.now);
    const parameters = {
      series: wanted.flatMap((sensor) => quantities.map((quantity) => `${sensor}/${quantity}`)).slice(0, 24),
      // A moving window needs what comes next as well.
      from: new Date(from).toISOString(), to: new Date(to).toISOString(), points: POINTS,
    };
    let again = "from" in window ? null : ANEW_MS;
    try {
      const answer = await series(parameters, asking.signal);
      const committed = Date.parse(answer.taken_in_until_utc);
      const lines = answer.series.map((one): Line => {
        const sensor = `${one.station_code}/${one.sensor_id}`;
        let points = pointsOf(one, answer.step_s);
        if (!("from" in window)) {
          for (const reading of this.sensors.since(sensor, one.quantity, committed)) {
            points = withReading(points, reading, answer.step_s);
          }
        }
        return { ...one, sensor, points };
      });
      this.#until = Math.max(committed, this.sensors.lastCommitted);
      this.shown = { answer, lines, parameters };
      this.error = null;
    } catch (error) {
      if (asking.signal.aborted) return;
      this.error = error;
      again = AGAIN_MS;
    }
    this.isBusy = false;
    if (again !== null) this.#timer = setTimeout(() => void this.ask(wanted, quantities, window), again);
  }

  /** Take in what came with the last commit. */
  take(window: Window): void {
    const shown = this.shown;
    if (shown === null || "from" in window) return;
    const [from] = edges(window, this.sensors.now);
    const step = shown.answer.step_s;
    const lines = shown.lines.map((line) => {
      let { points } = line;
      for (const reading of this.sensors.since(line.sensor, line.quantity, this.#until)) {
        points = withReading(points, reading, step);
      }
      const first = points.findIndex(({ at }) => at >= from - step * 1000);
      return { ...line, points: first > 0 ? points.slice(first) : points };
    });
    this.#until = Math.max(this.#until, this.sensors.lastCommitted);
    this.shown = { ...shown, lines };
  }

  stop(): void {
    this.#asking?.abort();
    clearTimeout(this.#timer);
    this.isBusy = false;
  }
}

/** When a window begins and ends, ms since 1970. */
export function edges(window: Window, now: number): [number, number] {
  return "from" in window ? [window.from, window.to] : [now - window.lastS * 1000, now];
}
