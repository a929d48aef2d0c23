/** How an answer is drawn, in the address of its page: `_x`, `_y`, `_draw`. */

import type { Choice } from "./results";

export const OF_DRAWING = ["_x", "_y", "_draw"] as const;

/** A query of an address with what was chosen. */
export function withChoice(query: string, { x, y, kind }: Choice): string {
  const said = new URLSearchParams(query);
  said.set("_x", x);
  said.set("_y", y);
  said.set("_draw", kind);
  return String(said);
}
