/** The same for many objects: in steps, so that one sees how far it is, and each told by itself. */

import { plainly } from "../plain";
import { tell } from "./asking";

export interface Outcome {
  object: string;
  outcome: "done" | "unchanged" | "failed";
  reason: string;
}

export interface Told {
  done: number;
  unchanged: number;
  failed: Outcome[];
}

const AT_ONCE = 100;

/** Names in steps: a folder, which may have many, is a step of its own. */
export function steps<T extends string | number>(names: readonly T[], most = AT_ONCE): T[][] {
  const folders = names.filter((name) => String(name).endsWith("/"));
  const others = names.filter((name) => !String(name).endsWith("/"));
  const found: T[][] = folders.map((name) => [name]);
  for (let at = 0; at < others.length; at += most) found.push(others.slice(at, at + most));
  return found;
}

/** Do it to each; what the server cannot answer for is told of all that were asked with it. */
export async function doToMany(
  address: string,
  key: "objects" | "object_ids",
  names: readonly (string | number)[],
  said: Record<string, unknown>,
  onStep: (share: number) => void,
): Promise<Told> {
  const told: Told = { done: 0, unchanged: 0, failed: [] };
  let reached = 0;
  for (const some of steps(names)) {
    try {
      const { outcomes } = await tell<{ outcomes: Outcome[] }>("POST", address, { ...said, [key]: some });
      for (const one of outcomes) {
        if (one.outcome === "failed") told.failed.push(one);
        else told[one.outcome]++;
      }
    } catch (error) {
      told.failed.push(...some.map((name): Outcome => ({ object: String(name), outcome: "failed", reason: plainly(error) })));
    }
    reached += some.length;
    onStep(reached / names.length);
  }
  return told;
}
