/** What lies under the tracks of a map, and the places over them. */

import type { Drawing } from "./canvas";
import { number } from "./format";
import { fromPixel, kilometres, toLonLat, toPixel, toXY, type Area, type Pixels, type View, type XY } from "./mercator";
import { eachShown, type Outlines } from "./outlines";
import type { Tiles } from "./tiles";
import type { Site } from "./tracks";

const STEPS_DEG = [0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 60, 90] as const;
/** From one line's name to the next. */
const APART_PX = 70;
/** How many times the width of the world is that of the window, from where countries are named. */
const NAMES_FROM = 2.5;
const SITE_PX = 4;
const REACH_PX = 10;

/** Land, borders and a grid of degrees, or the operator's map over it. */
export function drawGround(
  { context, token }: Drawing,
  view: View,
  pixels: Pixels,
  outlines: Outlines,
  tiles: Tiles | null,
): void {
  context.save();
  const ratio = context.getTransform().a;
  const across = ratio * view.size;
  const place = (copy: number): void =>
    context.setTransform(
      across, 0, 0, across,
      ratio * (pixels.width / 2 + (copy - view.x) * view.size), ratio * (pixels.height / 2 - view.y * view.size),
    );
  context.fillStyle = token("--land");
  context.strokeStyle = token("--coast");
  context.lineWidth = 0.8 / view.size;
  eachShown(outlines.land, view, pixels, (path, copy) => {
    place(copy);
    context.fill(path);
    context.stroke(path);
  });
  context.lineWidth = 0.6 / view.size;
  eachShown(outlines.borders, view, pixels, (path, copy) => {
    place(copy);
    context.stroke(path);
  });
  context.restore();
  if (tiles) tiles.draw(context, view, pixels);
  else {
    drawGrid(context, token, view, pixels);
    drawNames(context, token, view, pixels, outlines);
  }
}

/** Names of countries that are wide enough for them, where the map is not of the whole world. */
function drawNames(
  context: CanvasRenderingContext2D,
  token: Drawing["token"],
  view: View,
  pixels: Pixels,
  { names }: Outlines,
): void {
  if (view.size < NAMES_FROM * pixels.width) return;
  context.save();
  context.font = `12px ${token("--font")}`;
  context.fillStyle = token("--quiet");
  context.textAlign = "center";
  context.globalAlpha = 0.75;
  for (const { name, at, width } of names) {
    const [x, y] = toPixel(view, pixels, at);
    if (x < 0 || y < 0 || x > pixels.width || y > pixels.height) continue;
    if (context.measureText(name).width < width * view.size) context.fillText(name, x, y);
  }
  context.restore();
}

function drawGrid(context: CanvasRenderingContext2D, token: Drawing["token"], view: View, pixels: Pixels): void {
  const { width, height } = pixels;
  const widthDeg = (width / view.size) * 360;
  const step = STEPS_DEG.find((one) => (one / widthDeg) * width >= APART_PX) ?? 90;
  const [west, north] = [((fromPixel(view, pixels, [0, 0])[0] - 0.5) * 360), toLonLat(fromPixel(view, pixels, [0, 0]))[1]];
  const south = toLonLat(fromPixel(view, pixels, [0, height]))[1];
  const decimals = step < 1 ? 1 : 0;
  context.strokeStyle = token("--line");
  context.fillStyle = token("--quiet");
  context.font = `12px ${token("--font")}`;
  context.lineWidth = 0.5;
  context.beginPath();
  const names: [string, number, number][] = [];
  for (let n = Math.ceil(south / step); n * step <= north; n++) {
    const [, y] = toPixel(view, pixels, toXY([0, n * step]));
    context.moveTo(0, y);
    context.lineTo(width, y);
    names.push([`${number(Math.abs(n * step), decimals)}°${n < 0 ? "S" : n > 0 ? "N" : ""}`, 4, y - 3]);
  }
  for (let n = Math.ceil(west / step); n * step <= west + widthDeg; n++) {
    const x = ((n * step - west) / widthDeg) * width;
    const lon = ((((n * step + 180) % 360) + 360) % 360) - 180;
    context.moveTo(x, 0);
    context.lineTo(x, height);
    names.push([`${number(Math.abs(lon), decimals)}°${lon < 0 ? "W" : lon > 0 ? "E" : ""}`, x + 3, height - 5]);
  }
  context.stroke();
  for (const [name, x, y] of names) if (x < width - 30 && y > 10) context.fillText(name, x, y);
}

/** Dots, and circles that tell how far they may be off. */
export function drawSites(
  { context, token }: Drawing,
  view: View,
  pixels: Pixels,
  sites: readonly Site[],
  hasCircles: boolean,
  pointed: Site | null,
): void {
  for (const site of sites) {
    const at = toPixel(view, pixels, toXY(site.at));
    const isPointed = site === pointed;
    if ((hasCircles || isPointed) && site.withinKm !== undefined) {
      context.strokeStyle = token("--link");
      context.lineWidth = 1.5;
      context.setLineDash([6, 4]);
      circle(context, at, kilometres(site.withinKm, site.at[1]) * view.size);
      context.stroke();
      context.setLineDash([]);
    }
    circle(context, at, (hasCircles || isPointed ? 2 : 0) + SITE_PX);
    context.fillStyle = site.colour ?? token("--link");
    context.fill();
    context.strokeStyle = token("--ground");
    context.lineWidth = 2;
    context.stroke();
    if (!site.isChosen && !(isPointed && site.colour)) continue;
    circle(context, at, SITE_PX + 4);
    context.strokeStyle = token("--accent");
    context.stroke();
  }
}

function circle(context: CanvasRenderingContext2D, [x, y]: XY, radius: number): void {
  context.beginPath();
  context.arc(x, y, radius, 0, 2 * Math.PI);
}

/** The place that is pointed at. */
export function siteAt(view: View, pixels: Pixels, sites: readonly Site[], [px, py]: XY): Site | null {
  let [found, least]: [Site | null, number] = [null, REACH_PX];
  for (const site of sites) {
    const [x, y] = toPixel(view, pixels, toXY(site.at));
    const distance = Math.hypot(x - px, y - py);
    if (distance < least) [found, least] = [site, distance];
  }
  return found;
}

/** A part of the map that is selected. */
export function drawArea({ context, token }: Drawing, view: View, pixels: Pixels, { south, north, west, east }: Area): void {
  const middle = toPixel(view, pixels, toXY([(west + east) / 2, (south + north) / 2]));
  const wide = ((east - west) / 360) * view.size;
  const [top, bottom] = [north, south].map((lat) => toPixel(view, pixels, toXY([west, lat]))[1]);
  context.strokeStyle = token("--accent");
  context.lineWidth = 2;
  context.setLineDash([]);
  context.strokeRect(middle[0] - wide / 2, top ?? 0, wide, (bottom ?? 0) - (top ?? 0));
}
