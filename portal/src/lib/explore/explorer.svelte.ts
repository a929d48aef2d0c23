/** The page's memory: what is selected, what is counted, and which cube is at hand. */

import { get, Problem, type Answer, type Row } from "../api";
import { fetchCube, type Cube } from "./cube";
import { selectedOf, type OwnFile } from "./own";
import {
  readState, selectionQuery, stateQuery, tableFilters, yearBefore, type Brush, type Selection, type State,
  type View,
} from "./state";

/** A view with its counts: from the cube at hand it may have fewer cells than at rest. */
export interface Shown {
  view: View;
  counts: Uint32Array;
}

/** What is seen first is asked for first: to read and sort each trajectory takes most of the time. */
const FIRST = ["time", "solar_longitude", "speed", "magnitude"] as const;
const THEN = ["orbit", "begin_height", "end_height", "mass", "inclination", "tisserand", "convergence",
  "stations_each", "shower"] as const;
export const LISTS = ["station", "flag"] as const;
const CELLS_AT_REST = 180;
/** While a brush moves: most pixels for each bin of an interval, those across a plane, and bins across planes. */
const PIXELS_A_BIN = [4, 3, 2];
const PIXELS_ACROSS = 72;
const CELLS = 90;
/** Of a plane there are many more pixels, so all other planes are coarser. */
const CELLS_BY_PLANE = 60;
const MOST_PIXELS = 400;
const MOST_CUBES = 6;
export const MOST_POINTS = 1000;
const POINT_COLUMNS = ["trajectory_identifier", "beginning_utc_time", "iau_shower_code", "vgeo_km_s",
  "peak_absolute_magnitude", "begin_height_km", "end_height_km", "begin_latitude_deg", "begin_longitude_deg",
  "end_latitude_deg", "end_longitude_deg", "rageo_deg", "decgeo_deg", "lamgeo_deg", "betgeo_deg",
  "solar_longitude_deg", "semi_major_axis_au", "eccentricity"];
const HOVER_MS = 60;

/**
 * As many pixels as the handles of a brush move by. Their borders are short numbers, which the server tells by its
 * own steps: of a third it would have to ask each trajectory.
 */
export function finePixels(view: View): number {
  const [axis] = view.axes;
  if (view.kind === "plane" || !axis) return PIXELS_ACROSS;
  const isShort = (value: number): boolean => Number(value.toFixed(6)) === value;
  const fits = (of: number): boolean =>
    of * axis.bins <= MOST_PIXELS && isShort((axis.to - axis.from) / (of * axis.bins));
  return axis.bins * (PIXELS_A_BIN.find(fits) ?? 1);
}

export class Explorer {
  state = $state.raw<State>(readState(""));
  shown = $state.raw<ReadonlyMap<string, Shown>>(new Map());
  compared = $state.raw<ReadonlyMap<string, Shown> | null>(null);
  /** Rows that the filters let through, and of them those that are selected. */
  rows = $state(0);
  selected = $state(0);
  comparedSelected = $state(0);
  snapshot = $state("");
  committed = $state.raw<string | null>(null);
  isLoading = $state(true);
  problem = $state("");
  /** Whether a brush is being moved. */
  isMoving = $state(false);
  /** The view whose cube is at hand, for what is in sight, and for all other views. */
  ready = $state("");
  whole = $state("");
  points = $state.raw<Row[]>([]);
  /** A file of the reader's own; it is nowhere but here. */
  own = $state.raw<OwnFile | null>(null);
  ownSelected = $derived(this.own ? selectedOf(this.own.meteors, this.state.brushes) : []);

  private cubes = new Map<string, Promise<Cube>>();
  private hand: { name: string; key: string; cubes: Cube[] } | null = null;
  private warmed = "";
  private asking: AbortController | null = null;
  private warming: AbortController | null = null;
  private wantsNewest = false;
  private frame = 0;
  private hover: ReturnType<typeof setTimeout> | undefined;

  /** `inSight`: names of the views that are on the screen. */
  constructor(private readonly inSight: () => string[]) {}

  /** From the address. */
  open(search: string): void {
    this.state = readState(search);
    this.hand = null;
    void this.refresh();
  }

  close(): void {
    this.asking?.abort();
    this.warming?.abort();
    clearTimeout(this.hover);
    cancelAnimationFrame(this.frame);
  }

  get viewNames(): string[] {
    return [...this.first, ...THEN];
  }

  private get first(): string[] {
    return ["ground", this.state.sky, ...FIRST];
  }

  get views(): View[] {
    return [...this.shown.values()].map(({ view }) => view);
  }

  // What people do ---------------------------------------------------------------------------------

  /** A brush as it moves: nothing is asked, the cube at hand knows. */
  preview(name: string, brush: Brush | null): void {
    this.state = { ...this.state, brushes: without(this.state.brushes, name, brush) };
    this.asking?.abort(); // what it would say is out of date
    if (this.hand?.name !== name) this.warm(name);
    cancelAnimationFrame(this.frame);
    this.frame = requestAnimationFrame(() => this.fromHand());
  }

  /** It stays: into the address, and counted exactly. */
  commit(): void {
    const query = stateQuery(this.state);
    const path = `/explore${query ? `?${query}` : ""}`;
    if (path !== location.pathname + location.search) history.pushState(null, "", path);
    void this.refresh();
  }

  brush(name: string, brush: Brush | null): void {
    this.preview(name, brush);
    this.commit();
  }

  change(some: Partial<State>): void {
    this.state = { ...this.state, ...some };
    this.hand = null;
    this.commit();
  }

  zoom(name: string, to: Brush | null): void {
    this.change({ zooms: without(this.state.zooms, name, to) });
  }

  compareWithYearBefore(): void {
    this.change({ compare: yearBefore(this.state) });
  }

  compareWithThis(): void {
    const { brushes, filters, asOf } = this.state;
    this.change({ compare: { brushes, filters, asOf } });
  }

  /** The newest state of the warehouse. */
  renew(): void {
    this.snapshot = "";
    this.wantsNewest = true;
    this.hand = null;
    void this.refresh();
  }

  // Cubes ------------------------------------------------------------------------------------------

  /** Somebody comes near a view: its cube, first of the views in sight. */
  warm(name: string): void {
    if (LISTS.some((one) => one === name) || this.shown.size === 0) return;
    if (this.warmed === this.cubeKey(name)) return;
    clearTimeout(this.hover);
    this.hover = setTimeout(() => void this.fetchHand(name), HOVER_MS);
  }

  private cubeKey(name: string): string {
    const { brushes } = this.state;
    const others: Selection = { ...this.state, brushes: without(brushes, name, null) };
    return `${name}\n${this.query(others)}`;
  }

  private async fetchHand(name: string): Promise<void> {
    const key = this.cubeKey(name);
    if (this.warmed === key) return;
    this.warmed = key;
    this.ready = this.whole = "";
    this.warming?.abort();
    this.warming = new AbortController();
    const { signal } = this.warming;
    const inSight = this.inSight();
    const others = this.viewNames.filter((one) => one !== name);
    const parts = [others.filter((one) => inSight.includes(one)), others.filter((one) => !inSight.includes(one))];
    try {
      const cubes: Cube[] = [];
      for (const part of parts.filter(({ length }) => length)) {
        cubes.push(await this.cube(name, part, signal));
        if (this.cubeKey(name) !== key || signal.aborted) return;
        this.hand = { name, key, cubes };
        this.ready = name;
        if (name in this.state.brushes && this.isMoving) this.fromHand();
      }
      this.whole = name;
    } catch {
      if (this.warmed === key) this.warmed = "";
    }
  }

  private cube(name: string, others: readonly string[], signal: AbortSignal): Promise<Cube> {
    const query = this.query({ ...this.state, brushes: without(this.state.brushes, name, null) });
    const view = this.shown.get(name)?.view;
    query.set("_active", name);
    query.set("_cells", String(view?.kind === "plane" ? CELLS_BY_PLANE : CELLS));
    if (view && view.kind !== "category") query.set("_pixels", String(finePixels(view)));
    for (const one of others) query.append("_view", one);
    return this.kept(query, signal);
  }

  private kept(query: URLSearchParams, signal: AbortSignal): Promise<Cube> {
    const key = String(query);
    const found = this.cubes.get(key) ?? fetchCube(query, signal);
    this.cubes.delete(key);
    this.cubes.set(key, found);
    found.catch(() => this.cubes.delete(key));
    for (const oldest of this.cubes.keys()) {
      if (this.cubes.size <= MOST_CUBES) break;
      this.cubes.delete(oldest);
    }
    return found;
  }

  private fromHand(): void {
    const { hand } = this;
    if (!hand || hand.key !== this.cubeKey(hand.name)) return;
    const shown = new Map(this.shown);
    const inSight = this.inSight(); // the others follow when the brush is let go
    for (const cube of hand.cubes) {
      const counts = cube.select(this.state.brushes[hand.name], inSight);
      this.selected = counts.get("all")?.[0] ?? 0;
      for (const [name, some] of counts) {
        const view = cube.views.get(name);
        if (view && name !== "all") shown.set(name, { view, counts: some });
      }
    }
    this.shown = shown;
  }

  // At rest ----------------------------------------------------------------------------------------

  /** A selection with the zooms, on the state that everything else stands on. */
  private query(of: Selection): URLSearchParams {
    const query = selectionQuery(of);
    const zooms = selectionQuery({ brushes: this.state.zooms, filters: [], asOf: "" });
    for (const zoom of zooms.getAll("_brush")) query.append("_zoom", zoom);
    if (!of.asOf && this.snapshot) query.set("_as_of", this.snapshot);
    return query;
  }

  async refresh(): Promise<void> {
    this.asking?.abort();
    this.asking = new AbortController();
    const { signal } = this.asking;
    this.isLoading = true;
    try {
      const cubes = this.atRest(this.state, signal);
      for (const [at, asked] of cubes.entries()) {
        const cube = await asked;
        if (signal.aborted) return;
        if (at === 0) this.take(cube);
        this.addShown(cube);
      }
      this.problem = "";
      await Promise.all([this.lookAtCompared(signal), this.lookAtPoints(signal)]);
      if (!signal.aborted) this.isLoading = false;
    } catch (error) {
      if (signal.aborted) return;
      if (error instanceof Problem && error.status === 410 && this.snapshot && !this.state.asOf) {
        this.snapshot = ""; // it is not kept any more: the newest one then
        return this.refresh();
      }
      this.isLoading = false;
      this.problem = error instanceof Problem ? error.message : "The server cannot be reached.";
    }
  }

  private atRest(of: Selection, signal: AbortSignal): Promise<Cube>[] {
    return [this.first, THEN, LISTS].map((names) => {
      const query = this.query(of);
      query.set("_cells", String(CELLS_AT_REST));
      for (const name of names) query.append("_view", name);
      // The server has counted these before, maybe of the state before the newest one.
      if (!query.has("_as_of") && !this.wantsNewest) query.set("_counted", "on");
      const cube = fetchCube(query, signal);
      cube.catch(() => undefined); // they are awaited one after the other
      return cube;
    });
  }

  private take(cube: Cube): void {
    this.rows = cube.told.rows;
    this.selected = cube.all.get("all")?.[0] ?? 0;
    this.snapshot = cube.state;
    this.committed = cube.committed;
  }

  private addShown(cube: Cube): void {
    const shown = new Map(this.shown);
    for (const name of shown.keys()) if (!this.viewNames.includes(name) && !LISTS.some((l) => l === name)) shown.delete(name);
    for (const [name, view] of cube.views) {
      const counts = cube.all.get(name);
      if (counts && name !== "all") shown.set(name, { view, counts });
    }
    this.shown = shown;
  }

  private async lookAtCompared(signal: AbortSignal): Promise<void> {
    const { compare, zooms } = this.state;
    if (!compare) {
      this.compared = null;
      return;
    }
    // Both over the same time, if their filters have it differently.
    const time = this.shown.get("time")?.view.axes[0];
    const query = this.query(compare);
    if (time && !zooms["time"]) {
      const over = selectionQuery({ brushes: { time: { spans: [[time.from, time.to]] } }, filters: [], asOf: "" });
      query.append("_zoom", over.get("_brush") ?? "");
    }
    query.set("_cells", "60");
    for (const name of this.viewNames) if (name !== "ground") query.append("_view", name);
    const cube = await fetchCube(query, signal);
    if (signal.aborted) return;
    this.comparedSelected = cube.all.get("all")?.[0] ?? 0;
    this.compared = new Map([...cube.views].map(([name, view]) => [name, {
      view, counts: cube.all.get(name) ?? new Uint32Array(),
    }]));
  }

  private async lookAtPoints(signal: AbortSignal): Promise<void> {
    if (this.selected === 0 || this.selected > MOST_POINTS) {
      this.points = [];
      return;
    }
    const query = new URLSearchParams(tableFilters(this.state, this.views));
    query.set("_as_of", this.state.asOf || this.snapshot);
    for (const [name, value] of Object.entries({ _shape: "objects", _nocount: "on", _nofacet: "on",
      _size: "max", _sort_desc: "beginning_utc_time" })) query.set(name, value);
    for (const name of POINT_COLUMNS) query.append("_col", name);
    const [body] = await get(`/gmn/trajectories.json?${query}`, signal);
    if (!signal.aborted) this.points = (body as { rows: Row[] }).rows;
  }

  /** The selection as an answer of the table, to be told and downloaded. */
  get answer(): Answer {
    return {
      rows: this.points, columns: POINT_COLUMNS.map((name) => ({ name })), snapshot: this.snapshot,
      committed: this.committed, base: "/gmn/trajectories", parameters: tableFilters(this.state, this.views),
    };
  }
}

export function without<T>(of: Record<string, T>, name: string, instead: T | null): Record<string, T> {
  const rest = Object.fromEntries(Object.entries(of).filter(([one]) => one !== name));
  return instead === null ? rest : { ...rest, [name]: instead };
}
