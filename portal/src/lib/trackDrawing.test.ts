import { expect, test } from "vitest";
import { fitting, toXY, within } from "./mercator";
import { lineOf, plot, pointed, ready, shownOf, wordOf } from "./trackDrawing";
import type { Track } from "./tracks";

const PIXELS = { width: 400, height: 200 };
const INK = { colours: Array.from({ length: 10 }, (_, n) => `#0000${n}0`), unknown: "#ffffff" };

function track(begin: [number, number], end: [number, number], speed: number | null = 30): Track {
  return { identifier: "x", begin, end, speed, magnitude: null, says: "" };
}

const tracks = ready([
  track([10, 50], [11, 50]), track([179.9, 50], [-179.9, 50], null), track([-60, -30], [-61, -30], 99),
]);
const overEurope = fitting([[0.5, 0.35], [0.56, 0.32]], PIXELS, 0, 0.001);

test("a window shows what lies in it, also across 180 deg", () => {
  expect([...shownOf(tracks, overEurope, PIXELS)]).toEqual([0]);
  const dateLine = within({ x: 0.0001, y: toXY([0, 50])[1], size: 100_000 }, PIXELS);
  expect([...shownOf(tracks, dateLine, PIXELS)]).toEqual([1]);
  const [x1, , x2] = lineOf(tracks, 1, dateLine, PIXELS);
  expect(x2 - x1).toBeCloseTo((0.2 / 360) * 100_000, 3);
});

test("the nearest line is pointed at, and nothing that is far", () => {
  const shown = shownOf(tracks, overEurope, PIXELS);
  const [x1, y1, x2] = lineOf(tracks, 0, overEurope, PIXELS);
  expect(pointed(tracks, shown, overEurope, PIXELS, (x1 + x2) / 2, y1 + 5)).toBe(0);
  expect(pointed(tracks, shown, overEurope, PIXELS, x1 - 30, y1)).toBeNull();
});

test("pixels are written along a line, in its colour, and none outside", () => {
  const image = { width: 400, height: 200, data: new Uint8ClampedArray(400 * 200 * 4) } as unknown as ImageData;
  plot(image, 1, tracks, shownOf(tracks, overEurope, PIXELS), overEurope, PIXELS, INK);
  const [x1, y1, x2] = lineOf(tracks, 0, overEurope, PIXELS);
  const words = new Uint32Array(image.data.buffer);
  const at = (x: number, y: number): number => words[Math.floor(y) * 400 + Math.floor(x)]!;
  expect(at((x1 + x2) / 2, y1)).toBe(wordOf("#000030"));
  expect(at(x2 + 10, y1)).toBe(0);
  expect(tracks.ink[1]).toBe(10);
  expect(tracks.ink[2]).toBe(9);
});

test("colours become bytes: red, green, blue, solid", () => {
  expect([...new Uint8Array(new Uint32Array([wordOf("#ffb454")]).buffer)]).toEqual([255, 180, 84, 255]);
});
