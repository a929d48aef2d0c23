/** Whether something new is there: server-sent events say so, each commit once. */

import { listenTo } from "./events";

const SETTLES_MS = 2_000;

/** Counts up when something was committed; pages that show the newest ask again. */
export const live = $state({ commits: 0, changes: 0, isConnected: false });

export function listen(): () => void {
  let waiting: ReturnType<typeof setTimeout> | undefined;
  const changed = (): void => {
    live.changes += 1;
    // A commit has many changes: one look after the last of them.
    clearTimeout(waiting);
    waiting = setTimeout(() => (live.commits += 1), SETTLES_MS);
  };
  const on = Object.fromEntries(["message", "inserted", "revised", "withdrawn"].map((kind) => [kind, changed]));
  const stop = listenTo("/gmn/events", on, (is) => (live.isConnected = is));
  return () => {
    clearTimeout(waiting);
    stop();
  };
}
