/** Whether something new is there: server-sent events say so, each commit once. */

const SETTLES_MS = 2_000;

/** Counts up when something was committed; pages that show the newest ask again. */
export const live = $state({ commits: 0, changes: 0, isConnected: false });

export function listen(): () => void {
  const source = new EventSource("/gmn/events");
  let waiting: ReturnType<typeof setTimeout> | undefined;
  const changed = (): void => {
    live.changes += 1;
    // A commit has many changes: one look after the last of them.
    clearTimeout(waiting);
    waiting = setTimeout(() => (live.commits += 1), SETTLES_MS);
  };
  source.onopen = () => (live.isConnected = true);
  source.onerror = () => (live.isConnected = false);
  source.onmessage = changed;
  for (const kind of ["inserted", "revised", "withdrawn"]) source.addEventListener(kind, changed);
  return () => {
    clearTimeout(waiting);
    source.close();
  };
}
