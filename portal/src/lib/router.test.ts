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

test("tables, rows and questions have pages beside their data, under both names of the store", () => {
  expect(place("/gmn").page).toBe("tables");
  expect(place("/gmn_data_store")).toMatchObject({ page: "tables" });
  expect(place(to.table("trajectories"))).toEqual({ page: "table", of: "trajectories" });
  expect(place("/gmn_data_store/stations")).toEqual({ page: "table", of: "stations" });
  expect(place(to.table("stations"))).toEqual({ page: "table", of: "stations" });
  expect(place(to.row("source_files", "2022-03-04,$null,x~2Ey"))).toEqual({
    page: "row", of: "source_files", key: "2022-03-04,$null,x~2Ey",
  });
  expect(place("/gmn_data_store/trajectories/20220304220741_yrPTs").page).toBe("trajectory");
  expect(place(to.question("shower_activity"))).toEqual({ page: "question", of: "shower_activity" });
  expect(place("/sql").page).toBe("sql");
  for (const path of ["/gmn/trajectories.csv", "/gmn/iau_showers/7.json", "/gmn_rest_api", "/gmn/a/b/c"]) {
    expect(place(path).page, path).toBe("nowhere");
  }
});

test("objects have pages of projects and folders, and no page where their bytes are", () => {
  expect(place("/objects")).toEqual({ page: "objects", of: "", key: "" });
  expect(place("/objects/cams")).toEqual({ page: "objects", of: "cams", key: "" });
  expect(place("/objects/cams/ff")).toEqual({ page: "objects", of: "cams", key: "ff" });
  for (const path of ["/objects/cams/ff/a.fits", "/objects.zip", "/objects/_uploads", "/objects/Cams"]) {
    expect(place(path).page, path).toBe("nowhere");
  }
});

test("dashboards have a list and a page each, and no page where their data are", () => {
  expect(place("/dashboards").page).toBe("dashboards");
  expect(place(to.dashboard("network-overview"))).toEqual({ page: "dashboard", of: "network-overview" });
  expect(place("/dashboards/new").page).toBe("dashboard");
  for (const path of ["/dashboards.json", "/dashboards/a.json", "/dashboards/a/versions.json", "/dashboards/A"]) {
    expect(place(path).page, path).toBe("nowhere");
  }
});
