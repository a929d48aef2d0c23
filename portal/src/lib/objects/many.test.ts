import { expect, test } from "vitest";
import { steps } from "./many";

test("names go in steps, and each folder is one of its own", () => {
  expect(steps(["a", "in/", "b", "c"], 2)).toEqual([["in/"], ["a", "b"], ["c"]]);
  expect(steps([3, 4, 5], 2)).toEqual([[3, 4], [5]]);
  expect(steps([])).toEqual([]);
});
