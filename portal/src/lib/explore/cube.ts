/** Cubes of the server, and what any brush selects, by differences of sums. */

import { tableFromIPC } from "@uwdata/flechette";
import { Problem, stateOf } from "../api";
import { seconds, type Axis, type Brush, type View } from "./state";

/** Counts of each view; the last two bins of one are what lies outside of its domain, and null. */
export type Counts = ReadonlyMap<string, Uint32Array>;

export interface Cells {
  view: Uint8Array;
  pixel: Uint16Array;
  bin: Uint16Array;
  n: Uint32Array;
}

export interface Told {
  snapshot: number;
  rows: number;
  active: View | null;
  views: View[];
}

type ToldAxis = { title: string; unit: string | null; sql: string; column: string | null; bins: number;
  from: number | string; to: number | string; is_circular: boolean; is_time: boolean; is_closed: boolean };

function axis(told: ToldAxis): Axis {
  const value = (one: number | string): number => (typeof one === "string" ? seconds(one) : one);
  return {
    title: told.title, unit: told.unit, sql: told.sql, column: told.column, bins: told.bins,
    from: value(told.from), to: value(told.to), isCircular: told.is_circular, isTime: told.is_time,
    isClosed: told.is_closed,
  };
}

function view(told: View): View {
  return { ...told, axes: (told.axes as unknown as ToldAxis[]).map(axis) };
}

/** Raises Problem. */
export async function fetchCube(query: URLSearchParams, signal?: AbortSignal): Promise<Cube> {
  const response = await fetch(`/gmn/cubes.arrow?${query}`, signal ? { signal } : {});
  if (!response.ok) {
    const said = (await response.json().catch(() => ({}))) as { detail?: string };
    throw new Problem(response.status, said.detail ?? `Status ${response.status}`);
  }
  const table = tableFromIPC(await response.arrayBuffer());
  const told = JSON.parse(table.schema.metadata?.get("gmn_cube") ?? "{}") as Told;
  const column = (name: string) => table.getChild(name).toArray();
  const cells = {
    view: Uint8Array.from(column("view")), pixel: Uint16Array.from(column("pixel")),
    bin: Uint16Array.from(column("bin")), n: Uint32Array.from(column("n")),
  };
  return new Cube(
    { ...told, active: told.active && view(told.active), views: told.views.map(view) },
    cells, response.headers.get("Last-Modified"), stateOf(response),
  );
}

/**
 * Sums over pixels from the first one on, for each view and bin: the count of a span is the
 * difference of two of them, of a rectangle that of four.
 */
export class Cube {
  readonly views: Map<string, View>;
  /** As if nothing was selected in the active view. */
  readonly all: Counts;
  private readonly sums = new Map<string, Uint32Array>();
  private readonly across: number;
  private readonly down: number;

  constructor(
    readonly told: Told,
    cells: Cells,
    readonly committed: string | null = null,
    /** Name of the state that was counted. */
    readonly state = "",
  ) {
    const total: View = { name: "all", title: "", kind: "interval", axes: [], bins: 1, labels: [] };
    const views = [total, ...told.views];
    this.views = new Map(views.map((one) => [one.name, one]));
    const axes = told.active?.axes ?? [];
    this.across = axes[0]?.bins ?? told.active?.bins ?? 0;
    this.down = axes[1]?.bins ?? 1;
    const all = new Map(views.map((one) => [one.name, new Uint32Array(one.bins + 2)]));
    this.all = all;
    const places = (this.across + 1) * (this.down + 1);
    if (told.active) for (const one of views) this.sums.set(one.name, new Uint32Array(places * (one.bins + 2)));
    const byNumber = views.map((one) => ({
      stride: one.bins + 2, all: all.get(one.name), sums: this.sums.get(one.name),
    }));
    const inside = this.across * this.down;
    for (let at = 0; at < cells.n.length; at++) {
      const of = byNumber[cells.view[at] ?? 0];
      const [pixel, bin, n] = [cells.pixel[at] ?? 0, cells.bin[at] ?? 0, cells.n[at] ?? 0];
      if (!of?.all) continue;
      of.all[bin] = (of.all[bin] ?? 0) + n;
      if (of.sums && pixel < inside) of.sums[this.place(pixel) * of.stride + bin] = n;
    }
    for (const { sums, stride } of byNumber) if (sums) this.add(sums, stride);
  }

  /** Where the sums up to and with a pixel are. */
  private place(pixel: number): number {
    return (Math.floor(pixel / this.across) + 1) * (this.across + 1) + (pixel % this.across) + 1;
  }

  private add(sums: Uint32Array, stride: number): void {
    const row = (this.across + 1) * stride;
    for (let at = stride; at < sums.length; at++) sums[at] = (sums[at] ?? 0) + (at % row < stride ? 0 : (sums[at - stride] ?? 0));
    if (this.down > 1) for (let at = row; at < sums.length; at++) sums[at] = (sums[at] ?? 0) + (sums[at - row] ?? 0);
  }

  /** What a brush of the active view selects in others, those named or all; everything without one. */
  select(brush: Brush | undefined, names?: readonly string[]): Counts {
    const { active } = this.told;
    if (!brush || !active) return this.all;
    const rectangles = this.rectangles(active, brush);
    const found = new Map<string, Uint32Array>();
    for (const [name, sums] of this.sums) {
      if (names && name !== "all" && !names.includes(name)) continue;
      const stride = (this.views.get(name)?.bins ?? 0) + 2;
      const counts = new Uint32Array(stride);
      for (const [x0, x1, y0, y1] of rectangles) {
        const [above, below] = [y0 * (this.across + 1), y1 * (this.across + 1)];
        const [a, b, c, d] = [(below + x1) * stride, (below + x0) * stride, (above + x1) * stride, (above + x0) * stride];
        for (let bin = 0; bin < stride; bin++) {
          counts[bin] = (counts[bin] ?? 0) + (sums[a + bin] ?? 0) - (sums[b + bin] ?? 0) - (sums[c + bin] ?? 0) + (sums[d + bin] ?? 0);
        }
      }
      found.set(name, counts);
    }
    return found;
  }

  /** Pixels from, to (exclusive) across and down. */
  private rectangles(active: View, brush: Brush): [number, number, number, number][] {
    if ("values" in brush) {
      return brush.values.flatMap((value) => {
        const at = active.labels.indexOf(value);
        return at < 0 ? [] : [[at, at + 1, 0, 1] as [number, number, number, number]];
      });
    }
    const [across, down] = active.axes.map((one, at) => pixels(one, brush.spans[at] ?? [one.from, one.to]));
    return (across ?? []).flatMap(([x0, x1]) =>
      (down ?? [[0, 1] as const]).map(([y0, y1]) => [x0, x1, y0, y1] as [number, number, number, number]),
    );
  }
}

/** The pixels of a span: two stretches where it goes over the top of what goes round. */
export function pixels(axis: Axis, [from, to]: readonly [number, number]): [number, number][] {
  const at = (value: number): number => {
    const place = Math.round(((value - axis.from) * axis.bins) / (axis.to - axis.from));
    return Math.min(Math.max(place, 0), axis.bins);
  };
  if (from > to) return [[at(from), axis.bins], [0, at(to)]];
  return [[at(from), at(to)]];
}
