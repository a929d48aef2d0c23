import { expect, test } from "vitest";
import { totalOf, type Listing } from "./asking";

test("how much was found is said as far as it is known", () => {
  const listing: Listing = { folders: [], objects: [], next_url: null };
  expect(totalOf(listing)).toBe("");
  expect(totalOf({ ...listing, object_count: 0, size_bytes: 0, is_count_exact: true })).toBe("0 objects");
  expect(totalOf({ ...listing, object_count: 1, size_bytes: 999, is_count_exact: true })).toBe("1 object, 999 bytes");
  expect(totalOf({ ...listing, object_count: 10_000, size_bytes: null, is_count_exact: false })).toMatch(/^more than 10.000 objects$/);
});
