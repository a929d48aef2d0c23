import { expect, test } from "vitest";
import { countryName } from "./countries";

test("a country is named, and what is none is not", () => {
  expect(countryName("UK")).toBe("United Kingdom");
  expect(countryName("nz")).toBe("New Zealand");
  expect(countryName("QX")).toBeUndefined();
  expect(countryName("<b>")).toBeUndefined();
});
