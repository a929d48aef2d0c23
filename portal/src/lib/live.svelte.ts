/** Whether something new is there: server-sent events say so, each commit once. */

import { listenTo } from "./events";

const SETTLES_MS = 1_000;

/** Counts up when something was committed; pages that show the newest ask again. */
export const live = $state({ commits: 0, changes: 0, isConnected: false });

export function listen(): () => void {
  let waiting: ReturnType<typeof setTimeout> | undefined;
  const changed = (): void => {
    live.changes += 1;
    // A commit has many changes: one look for all that come soon after the first. To wait for the last of them
    // would be to wait for ever beside a stream that does not pause.
    waiting ??= setTimeout(() => {
      waiting = undefined;
      live.commits += 1;
    }, SETTLES_MS);
  };
  const on = Object.fromEntries(["message", "inserted", "revised", "withdrawn"].map((kind) => [kind, changed]));
  const stop = listenTo("/gmn/events", on, (is) => (live.isConnected = is));
  return () => {
    clearTimeout(waiting);
    stop();
  };
}
