import { expect, test } from "vitest";
import { Problem } from "./api";
import { plainly } from "./plain";

test("limits are told in plain words, with when to come back", () => {
  expect(plainly(new Problem(429, "An address may ask 60 times a minute.", 12))).toBe(
    "That was too many requests in one minute: an address may ask 60 times a minute. Try again in 12 s.",
  );
  expect(plainly(new Problem(503, "Too many queries are waiting.", null))).toBe(
    "The server cannot answer just now: too many queries are waiting.",
  );
  expect(plainly(new Problem(400, "No such column."))).toBe("No such column.");
  expect(plainly(new TypeError("Failed to fetch"))).toBe("The server cannot be reached.");
});
