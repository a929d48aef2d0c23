import { expect, test } from "vitest";
import { areNear, nearest, sitesOf, tracksOf } from "./tracks";

const row = {
  trajectory_identifier: "20220304220741_yrPTs", beginning_utc_time: "2022-03-04T22:07:41.1Z",
  iau_shower_code: "...", vgeo_km_s: 24.5, peak_absolute_magnitude: -1.5,
  begin_latitude_deg: 50, begin_longitude_deg: 10, end_latitude_deg: 50.5, end_longitude_deg: 11,
};

test("a row is a track, one without a place is none", () => {
  const [track] = tracksOf([row, { ...row, end_latitude_deg: null }]);
  expect(track?.begin).toEqual([10, 50]);
  expect(track?.says).toBe("2022-03-04 22:07:41 UTC, sporadic, magnitude -1.5");
  expect(tracksOf([{ ...row, begin_longitude_deg: null }])).toEqual([]);
});

test("an estimated place says how wide it is", () => {
  const place = { station_code: "UK0051", trajectories: 12, latitude_deg: 52, longitude_deg: -2 };
  const [site] = sitesOf([{ ...place, nine_tenths_within_km: 140 }], (code) => `/x/${code}`);
  expect(site).toEqual({
    name: "UK0051", at: [-2, 52], withinKm: 140, says: "UK0051, within some 140 km: 12 trajectories", href: "/x/UK0051",
  });
  expect(sitesOf([place], String)[0]?.withinKm).toBeUndefined();
  expect(sitesOf([{ ...place, latitude_deg: null }], String)).toEqual([]);
});

test("the nearest is within reach", () => {
  const places = [[0, 0], [10, 10]] as const;
  expect(nearest(places, 9, 9, 5)).toBe(1);
  expect(nearest(places, 50, 50, 5)).toBeNull();
});

test("tracks of one region have a map of their own", () => {
  const far = { ...row, begin_longitude_deg: 140, end_longitude_deg: 141 };
  expect(areNear(tracksOf([row, row]))).toBe(true);
  expect(areNear(tracksOf([row, far]))).toBe(false);
});
