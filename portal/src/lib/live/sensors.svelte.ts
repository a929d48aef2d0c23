/** All sensors with what they told last, kept up to date by what comes. */

import { hear, latest, type Came, type Sensor } from "../readings";
import type { Reading } from "./points";

const REMEMBERED_MS = 10_000;
const ANEW_MS = 2_000;
const TICK_MS = 1_000;

export function nameOf(sensor: Pick<Sensor, "station_code" | "sensor_id">): string {
  return `${sensor.station_code}/${sensor.sensor_id}`;
}

/** What is heard: `start` it, and `stop` it at the end. */
export class Sensors {
  all = $state.raw<Sensor[]>([]);
  error = $state.raw<unknown>(null);
  isThere = $state(false);
  isConnected = $state(false);
  /** Counts up with each commit that told something. */
  commits = $state(0);
  readings = $state(0);
  /** Counts up when something was noted of a station, or may have been. */
  annotated = $state(0);
  /** When the last of them was committed, ms since 1970. */
  lastCommitted = 0;
  /** The server's clock, ms since 1970; it goes on each second. */
  now = $state(Date.now());
  #aheadMs = 0;
  #byName = new Map<string, Sensor>();
  #came: [string, Record<string, number>, number, number][] = [];
  #stop: (() => void) | null = null;
  #asking: AbortController | null = null;
  #again: ReturnType<typeof setTimeout> | undefined;
  #clock: ReturnType<typeof setInterval> | undefined;

  /** `stations`: of these only. */
  constructor(private readonly stations: readonly string[] = []) {}

  start(): void {
    this.#clock = setInterval(() => (this.now = Date.now() + this.#aheadMs), TICK_MS);
    this.#stop = hear({ station: this.stations }, {
      came: (what) => this.#take(what),
      anew: () => void this.ask(),
      annotated: () => (this.annotated += 1),
      connected: (is) => {
        this.isConnected = is;
        if (!is) return;
        void this.ask(); // what came while nobody listened
        this.annotated += 1;
      },
    });
    void this.ask();
  }

  stop(): void {
    this.#stop?.();
    this.#asking?.abort();
    clearTimeout(this.#again);
    clearInterval(this.#clock);
  }

  async ask(): Promise<void> {
    this.#asking?.abort();
    const asking = (this.#asking = new AbortController());
    try {
      const found = await latest({ station: this.stations }, asking.signal);
      this.#aheadMs = found.aheadMs;
      this.now = Date.now() + found.aheadMs;
      this.#byName = new Map(found.sensors.map((one) => [nameOf(one), one]));
      const committed = Date.parse(found.taken_in_until_utc);
      for (const [name, values, at, when] of this.#came) if (when > committed) this.#tell(name, values, at, when);
      this.all = [...this.#byName.values()];
      [this.isThere, this.error] = [true, null];
    } catch (error) {
      if (asking.signal.aborted) return;
      this.error = error;
      this.#askSoon();
    }
  }

  /** Not later than was said before: what comes all the time must not put it off. */
  #askSoon(): void {
    this.#again ??= setTimeout(() => {
      this.#again = undefined;
      void this.ask();
    }, ANEW_MS);
  }

  /** What a sensor told of a quantity lately, in commits after one. */
  since(sensor: string, quantity: string, committed: number): Reading[] {
    return this.#came.flatMap(([name, values, at, when]) => {
      const value = values[quantity];
      return name === sensor && when > committed && value !== undefined ? [{ at, value, committed: when }] : [];
    });
  }

  #take(what: Came): void {
    const committed = Date.parse(what.taken_in_until_utc);
    let isUnknown = false;
    for (const [station, sensor, measured, values] of what.sensors) {
      const name = `${station}/${sensor}`;
      const at = Date.parse(measured);
      this.#came.push([name, values, at, committed]);
      if (!this.#tell(name, values, at, committed)) isUnknown = true;
    }
    const first = this.#came.findIndex(([, , , when]) => when > committed - REMEMBERED_MS);
    if (first > 0) this.#came = this.#came.slice(first);
    this.all = [...this.#byName.values()];
    this.readings += what.reading_count;
    this.lastCommitted = committed;
    this.commits += 1;
    this.now = Date.now() + this.#aheadMs;
    if (isUnknown && this.isThere) this.#askSoon();
  }

  #tell(name: string, values: Record<string, number>, at: number, committed: number): boolean {
    const known = this.#byName.get(name);
    if (known === undefined) return false;
    const heard = new Date(committed).toISOString();
    const isNewest = at >= Date.parse(known.last_measured_at_utc ?? "1970-01-01T00:00:00Z");
    this.#byName.set(name, {
      ...known,
      last_heard_at_utc: heard,
      last_measured_at_utc: isNewest ? new Date(at).toISOString() : known.last_measured_at_utc,
      values: isNewest ? { ...known.values, ...values } : { ...values, ...known.values },
    });
    return true;
  }
}
