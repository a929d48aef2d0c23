import { expect, test } from "vitest";
import { place, to } from "./router";

test("each address leads to its page", () => {
  expect(place("/")).toEqual({ page: "home", of: "" });
  expect(place(to.night("2026-08-13"))).toEqual({ page: "night", of: "2026-08-13" });
  expect(place(to.trajectory("20220304220741_yrPTs"))).toEqual({
    page: "trajectory",
    of: "20220304220741_yrPTs",
  });
  expect(place(to.shower("PER"))).toEqual({ page: "shower", of: "PER" });
  expect(place("/explore")).toEqual({ page: "explore", of: "" });
  expect(place(to.station("UK0001"))).toEqual({ page: "station", of: "UK0001" });
});

test("what is none leads nowhere", () => {
  for (const path of ["/gmn/nights/yesterday", "/gmn/trajectories.json", "/%zz", "/gmn/showers/%zz"]) {
    expect(place(path).page).toBe("nowhere");
  }
});
