/** Selecting places along a drawing by pointer and keys: one, or all between two. What is selected is known
 * elsewhere; here is what is under way. */

interface Place {
  x: number;
  isChosen: boolean;
}

interface Of {
  places: readonly Place[];
  isSingle: boolean;
  /** Whether a click selects the place that is nearest; else it takes back only. */
  isByClick: boolean;
  /** Where a place is (px). */
  at: (place: number) => number;
  onselect?: ((span: readonly [number, number] | null) => void) | undefined;
}

type Span = readonly [number, number];
const LEAST_PX = 4;

export class Selector {
  #cursor = $state(0);
  /** What is being selected, from where it began. */
  #under = $state<Span | null>(null);
  #pressed: { at: number; px: number } | null = null;

  constructor(private readonly of: () => Of) {}

  /** Where the keys are. */
  get cursor(): number {
    return Math.min(this.#cursor, Math.max(this.of().places.length - 1, 0));
  }

  /** What is marked: what is being selected, or else what is selected. */
  get span(): Span | null {
    return this.#under ? ordered(this.#under) : this.#chosen();
  }

  press(event: PointerEvent): void {
    if (event.button !== 0) return;
    const target = event.currentTarget as HTMLElement;
    target.setPointerCapture(event.pointerId);
    this.#pressed = { at: this.#nearest(event), px: event.clientX };
  }

  move(event: PointerEvent): void {
    if (!this.#pressed || this.of().isSingle || Math.abs(event.clientX - this.#pressed.px) < LEAST_PX) return;
    this.#under = [this.#pressed.at, this.#nearest(event)];
  }

  release(event: PointerEvent): void {
    const pressed = this.#pressed;
    const under = this.#under;
    this.giveUp();
    if (!pressed) return;
    const now = this.#nearest(event);
    this.#cursor = now;
    if (under) return this.#tell(ordered([under[0], now]));
    const { places, isByClick } = this.of();
    if (places[now]?.isChosen || !isByClick) this.#tell(null);
    else this.#tell([now, now]);
  }

  giveUp(): void {
    [this.#pressed, this.#under] = [null, null];
  }

  key(event: KeyboardEvent): void {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const { places, isSingle } = this.of();
    const last = places.length - 1;
    const to = {
      ArrowLeft: this.cursor - 1, ArrowDown: this.cursor - 1, ArrowRight: this.cursor + 1, ArrowUp: this.cursor + 1,
      PageDown: this.cursor - 10, PageUp: this.cursor + 10, Home: 0, End: last,
    }[event.key];
    if (to !== undefined) {
      const from = this.#under?.[0] ?? this.cursor;
      this.#cursor = Math.min(Math.max(to, 0), last);
      this.#under = event.shiftKey && !isSingle ? [from, this.#cursor] : null;
    } else if (event.key === "Enter" || event.key === " ") {
      const under = this.#under;
      this.giveUp();
      if (under) this.#tell(ordered(under));
      else this.#tell(places[this.cursor]?.isChosen ? null : [this.cursor, this.cursor]);
    } else if (event.key === "Escape") {
      const wasUnder = this.#under !== null;
      this.giveUp();
      if (!wasUnder) this.#tell(null);
    } else return;
    event.preventDefault();
  }

  #tell(span: Span | null): void {
    if (span === null && this.#chosen() === null) return;
    this.of().onselect?.(span);
  }

  #chosen(): Span | null {
    const { places } = this.of();
    const from = places.findIndex(({ isChosen }) => isChosen);
    return from < 0 ? null : [from, places.findLastIndex(({ isChosen }) => isChosen)];
  }

  #nearest(event: PointerEvent): number {
    const px = event.clientX - (event.currentTarget as HTMLElement).getBoundingClientRect().left;
    const { places, at } = this.of();
    let [found, least] = [0, Infinity];
    for (let n = 0; n < places.length; n++) {
      const apart = Math.abs(at(n) - px);
      if (apart < least) [found, least] = [n, apart];
    }
    return found;
  }
}

function ordered([from, to]: Span): Span {
  return from <= to ? [from, to] : [to, from];
}
