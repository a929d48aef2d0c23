import { expect, test } from "vitest";
import { onceAtATime } from "./once_at_a_time";

interface Answer {
  resolve: (value: number) => void;
  reject: (error: Error) => void;
}

/** A question whose answers come when the test says so. */
function questioned() {
  const under: Answer[] = [];
  const shown: Promise<number>[] = [];
  const ask = onceAtATime(
    () => new Promise<number>((resolve, reject) => under.push({ resolve, reject })),
    (answer) => shown.push(answer),
  );
  return { ask, under, shown };
}

test("what comes while an answer is under way is asked after once, when it is there", async () => {
  const { ask, under, shown } = questioned();
  ask();
  for (let n = 0; n < 5; n++) ask();
  expect(under).toHaveLength(1);
  under[0]!.resolve(1);
  await shown[0];
  expect(under).toHaveLength(2);
  under[1]!.resolve(2);
  expect(await shown[1]).toBe(2);
  expect(under).toHaveLength(2);
  ask();
  expect(under).toHaveLength(3);
});

test("an answer that fails is shown, and the next one is asked for", async () => {
  const { ask, under, shown } = questioned();
  ask();
  ask();
  under[0]!.reject(new Error("gone"));
  await expect(shown[0]).rejects.toThrow("gone");
  await Promise.resolve();
  expect(under).toHaveLength(2);
});
