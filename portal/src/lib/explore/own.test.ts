import { expect, test } from "vitest";
import { countsOf, readText, selectedOf } from "./own";
import { seconds, type View } from "./state";

function summaryLine(values: Record<number, string>): string {
  return Array.from({ length: 86 }, (_, at) => ` ${values[at] ?? "nan"} `).join(";");
}

const PERSEID = summaryLine({
  2: "2026-08-13 22:04:18.712345", 4: "PER", 5: "140.5", 7: "48.1", 9: "58.0", 11: "62.0", 13: "38.5", 15: "59.1",
  23: "20.5", 25: "0.95", 27: "113.0", 63: "51.2", 65: "-1.5", 67: "110.2", 73: "88.1", 76: "-2.5", 79: "0.001",
  80: "60.0", 84: "2", 85: "UK0001,UK0002",
});

test("the network's summary is read, and what is no line of it is told", () => {
  const head = `\n# Summary generated on 2026-08-14\n\r# ${"Unique trajectory;".repeat(85)}\n`;
  const wrong = summaryLine({ 2: "2026-02-30 00:00:00" });
  const file = readText("a.txt", `${head}${PERSEID}\n\r${wrong}\r\nshort;line\n${summaryLine({ 2: "2026-08-13 22:04:18", 15: "fast" })}\n`);
  expect(file.format).toBe("trajectory summary");
  const [one] = file.meteors;
  expect(file.meteors.length).toBe(1);
  expect(one?.["time"]).toBeCloseTo(seconds("2026-08-13T22:04:18") + 0.712345, 5);
  expect(one).toMatchObject({
    speed: 59.1, shower: ["PER"], ground: [-1.5, 51.2], station: ["UK0001", "UK0002"], mass: -3, tisserand: null,
    radiant_equatorial: [48.1, 58], radiant_sun_centred: [281.5, 38.5], orbit: [20.5, 0.95], stations_each: 2,
  });
  expect(file.unread.map(({ why, count }) => [why, count])).toEqual([
    ["a time that is none", 1], ["not 86 columns", 1], ["a number that is none", 1],
  ]);
  expect(file.unread[1]?.lines).toEqual([6]);
});

test("UFOOrbit's CSV is read by its names", () => {
  const text = "_Version,_#,_localtime,_sol,_amag,_ra_t,_dc_t,_vg,_stream,_lng1,_lat1,_H1,_Y_ut,_M_ut,_D_ut,_h_ut,_m_ut,_s_ut\n" +
    "G,1,_20260813_220418,140.5,-1.0,48.1,58,59.1,_J8_PER,359.5,51,110,2026,8,13,22,4,18.5\n" +
    "G,2,_20260814_000000,140.6,-1.0,48.1,58,59.1,spo,10,51,110,,,,,,\nG,3,x\n";
  const file = readText("u.csv", text);
  expect(file.meteors.map((one) => [one["time"], one["shower"], one["ground"]])).toEqual([
    [seconds("2026-08-13T22:04:18") + 0.5, ["PER"], [-0.5, 51]], [seconds("2026-08-14"), ["..."], [10, 51]],
  ]);
  expect(file.unread[0]).toEqual({ why: "fewer than 18 columns", count: 1, lines: [4] });
});

test("a summary of CAMS is read, without what is not geocentric there", () => {
  const values = ["1", "08/13/2026", "22:04:18.50", ...Array<string>(32).fill("0.5")];
  [values[15], values[17], values[19], values[25], values[31]] = ["38.1", "-122.5", "108.5", "90.5", "-1.2"];
  values[34] = "000101_000202";
  const head = "Meteor  Observed   RAinf +- DECinf LatBeg\n number  Date\n\n";
  const file = readText("c.txt", `${head}${values.join("  ")}\n2 13/45/2026 ${values.slice(2).join(" ")}\n`);
  expect(file.format).toBe("CAMS summary");
  expect(file.meteors[0]).toMatchObject({
    time: seconds("2026-08-13T22:04:18") + 0.5, ground: [-122.5, 38.1], begin_height: 108.5, end_height: 90.5,
    magnitude: -1.2, speed: null, radiant_equatorial: [null, null],
  });
  expect(file.unread[0]?.why).toBe("a time that is none");
});

test("what is none of them is said", () => {
  for (const text of ["", "a,b,c\n1,2,3", "<html>"]) expect(() => readText("x", text)).toThrow("It is none of");
});

test("brushes select of one's own too, and bins count it", () => {
  const { meteors } = readText("a.txt", `${PERSEID}\n${summaryLine({ 2: "2026-08-13 23:00:00", 4: "...", 15: "30.5" })}`);
  expect(selectedOf(meteors, { speed: { spans: [[50, 70]] } }).length).toBe(1);
  expect(selectedOf(meteors, { speed: { spans: [[50, 70]] } }, "speed").length).toBe(2);
  expect(selectedOf(meteors, { shower: { values: ["..."] } }).length).toBe(1);
  expect(selectedOf(meteors, { solar_longitude: { spans: [[350, 150]] } }).length).toBe(1);
  expect(selectedOf(meteors, { ground: { spans: [[-10, 0], [50, 60]] } }).length).toBe(1);
  const view: View = {
    name: "speed", title: "", kind: "interval", bins: 8, labels: [],
    axes: [{ title: "", unit: null, sql: "", column: null, from: 0, to: 80, bins: 8, isCircular: false, isTime: false, isClosed: false }],
  };
  expect([...countsOf(meteors, view)]).toEqual([0, 0, 0, 1, 0, 1, 0, 0, 0, 0]);
});
