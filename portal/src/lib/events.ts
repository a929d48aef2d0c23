/** Listening to server-sent events, for as long as a page wants to. */

const AGAIN_MS = 3_000;

/** Listen until what this answers is called. `on`: by the event's name; one without a name is a `message`.
 *
 * A browser connects again by itself when a connection breaks, but not after an answer that is an error, as of a
 * server that is starting, or has nothing yet: this does. */
export function listenTo(
  address: string,
  on: Record<string, (event: MessageEvent<string>) => void>,
  connected: (is: boolean) => void,
): () => void {
  let source: EventSource;
  let again: ReturnType<typeof setTimeout> | undefined;

  function open(): void {
    source = new EventSource(address);
    source.onopen = () => connected(true);
    source.onerror = () => {
      connected(false);
      if (source.readyState === EventSource.CLOSED) again = setTimeout(open, AGAIN_MS);
    };
    for (const [name, does] of Object.entries(on)) source.addEventListener(name, does as EventListener);
  }

  open();
  return () => {
    clearTimeout(again);
    source.close();
  };
}
