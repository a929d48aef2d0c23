/**
 * Drawing tens of thousands of tracks, many times a second, without a graphics card.
 *
 * At rest each track is a line. To stroke fifty thousand takes a tenth of a second, so that while
 * the map moves they are written as pixels, which takes two thousandths.
 */

import { fromMiddle, toXY, type Pixels, type View } from "./mercator";
import type { Track } from "./tracks";

/** So many are drawn as lines while the map moves. */
export const FEW = 3_000;
const REACH_PX = 12;
/** Beyond the edge, what may still reach into the window. */
const EDGE_PX = 200;

/** Tracks, made ready once. Places are of a Mercator world of width 1; x2 is near x1. */
export interface Ready {
  count: number;
  x1: Float64Array;
  y1: Float64Array;
  x2: Float64Array;
  y2: Float64Array;
  /** Which ink, and whether it is a bright meteor. */
  ink: Uint8Array;
  isBright: Uint8Array;
}

export interface Ink {
  colours: readonly string[];
  /** Of those whose speed is not known. */
  unknown: string;
}

export const INKS = 10;
const SPEED_KM_S = [11, 72] as const;
const BRIGHT_MAGNITUDE = -2;

export function ready(tracks: readonly Track[]): Ready {
  const count = tracks.length;
  const [x1, y1, x2, y2] = [0, 1, 2, 3].map(() => new Float64Array(count)) as [
    Float64Array, Float64Array, Float64Array, Float64Array,
  ];
  const made: Ready = { count, x1, y1, x2, y2, ink: new Uint8Array(count), isBright: new Uint8Array(count) };
  for (const [n, track] of tracks.entries()) {
    const [begin, end] = [toXY(track.begin), toXY(track.end)];
    x1[n] = begin[0];
    y1[n] = begin[1];
    x2[n] = end[0] - Math.round(end[0] - begin[0]);
    y2[n] = end[1];
    made.ink[n] = track.speed === null ? INKS : inkOf(track.speed);
    made.isBright[n] = (track.magnitude ?? 9) <= BRIGHT_MAGNITUDE ? 1 : 0;
  }
  return made;
}

function inkOf(speed: number): number {
  const share = (speed - SPEED_KM_S[0]) / (SPEED_KM_S[1] - SPEED_KM_S[0]);
  return Math.min(Math.max(Math.round(share * (INKS - 1)), 0), INKS - 1);
}

/** The numbers of the tracks that a window may show. */
export function shownOf(tracks: Ready, view: View, { width, height }: Pixels): Uint32Array {
  const shown = new Uint32Array(tracks.count);
  const [reachX, reachY] = [(width / 2 + EDGE_PX) / view.size, (height / 2 + EDGE_PX) / view.size];
  let count = 0;
  for (let n = 0; n < tracks.count; n++) {
    if (Math.abs(tracks.y1[n]! - view.y) > reachY) continue;
    if (Math.abs(fromMiddle(view, tracks.x1[n]!)) > reachX) continue;
    shown[count++] = n;
  }
  return shown.subarray(0, count);
}

/** The line on the window, in pixels: x1, y1, x2, y2. */
export function lineOf(tracks: Ready, n: number, view: View, { width, height }: Pixels): [number, number, number, number] {
  const x = fromMiddle(view, tracks.x1[n]!) * view.size + width / 2;
  const y = (tracks.y1[n]! - view.y) * view.size + height / 2;
  return [
    x, y, x + (tracks.x2[n]! - tracks.x1[n]!) * view.size, y + (tracks.y2[n]! - tracks.y1[n]!) * view.size,
  ];
}

/** How thick lines are, in pixels: thicker where few are seen from near. */
export function thickness(view: View): number {
  return Math.min(Math.max(1.2 + Math.log2(view.size / 2048) * 0.35, 1.2), 2.6);
}

/** As lines: one stroke for each ink, the bright meteors over the others. */
export function stroke(
  context: CanvasRenderingContext2D,
  tracks: Ready,
  shown: Uint32Array,
  view: View,
  pixels: Pixels,
  ink: Ink,
): void {
  const groups: number[][] = Array.from({ length: 2 * (INKS + 1) }, () => []);
  for (const n of shown) groups[tracks.isBright[n]! * (INKS + 1) + tracks.ink[n]!]!.push(n);
  context.lineCap = shown.length > FEW ? "butt" : "round";
  groups.forEach((group, key) => {
    if (group.length === 0) return;
    context.strokeStyle = ink.colours[key % (INKS + 1)] ?? ink.unknown;
    context.lineWidth = thickness(view) * (key > INKS ? 1.7 : 1);
    context.beginPath();
    for (const n of group) {
      const [x1, y1, x2, y2] = lineOf(tracks, n, view, pixels);
      context.moveTo(x1, y1);
      // From afar a track is shorter than a point.
      if (Math.abs(x2 - x1) + Math.abs(y2 - y1) < 1.5) context.lineTo(x1, y1 + 1.5);
      else context.lineTo(x2, y2);
    }
    context.stroke();
  });
}

/** As pixels of an image of the window, in the screen's own: `ratio` of them are one of ours. */
export function plot(
  image: ImageData,
  ratio: number,
  tracks: Ready,
  shown: Uint32Array,
  view: View,
  pixels: Pixels,
  ink: Ink,
): void {
  const buffer = new Uint32Array(image.data.buffer);
  buffer.fill(0);
  const words = [...ink.colours.slice(0, INKS), ink.unknown].map(wordOf);
  const { width, height } = image;
  const thick = Math.max(Math.round(thickness(view) * ratio), 1);
  for (const n of shown) {
    const [x1, y1, x2, y2] = lineOf(tracks, n, view, pixels);
    const word = words[tracks.ink[n]!]!;
    const steps = Math.ceil(Math.max(Math.abs(x2 - x1), Math.abs(y2 - y1), 0.5) * ratio);
    const [stepX, stepY] = [((x2 - x1) * ratio) / steps, ((y2 - y1) * ratio) / steps];
    for (let step = 0; step <= steps; step++) {
      const [x, y] = [Math.floor(x1 * ratio + stepX * step), Math.floor(y1 * ratio + stepY * step)];
      if (x < 0 || y < 0 || x + thick > width || y + thick > height) continue;
      for (let down = 0; down < thick; down++) {
        const at = (y + down) * width + x;
        for (let right = 0; right < thick; right++) buffer[at + right] = word;
      }
    }
  }
}

/** A colour such as #ffb454 as the four bytes of a pixel, on machines that begin with the last. */
export function wordOf(colour: string): number {
  const rgb = Number.parseInt(colour.slice(1), 16);
  return ((0xff << 24) | ((rgb & 0xff) << 16) | (rgb & 0xff00) | (rgb >> 16)) >>> 0;
}

/** The track whose line is nearest to a pixel, within reach; by its number. */
export function pointed(
  tracks: Ready,
  shown: Uint32Array,
  view: View,
  pixels: Pixels,
  px: number,
  py: number,
): number | null {
  let [found, least]: [number | null, number] = [null, REACH_PX ** 2];
  for (const n of shown) {
    const [x1, y1, x2, y2] = lineOf(tracks, n, view, pixels);
    const [dx, dy] = [x2 - x1, y2 - y1];
    const along = dx === 0 && dy === 0 ? 0 : ((px - x1) * dx + (py - y1) * dy) / (dx * dx + dy * dy);
    const at = Math.min(Math.max(along, 0), 1);
    const distance = (x1 + at * dx - px) ** 2 + (y1 + at * dy - py) ** 2;
    if (distance < least) [found, least] = [n, distance];
  }
  return found;
}
