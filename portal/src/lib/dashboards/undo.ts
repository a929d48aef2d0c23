/** What was, to go back to, and forth again. */

const MOST = 100;

export interface Undo<T> {
  before: readonly T[];
  now: T;
  after: readonly T[];
}

export function begun<T>(now: T): Undo<T> {
  return { before: [], now, after: [] };
}

/** With another state. `joins`: it goes on with the last change, as a further letter of a text does. */
export function changed<T>(of: Undo<T>, now: T, joins = false): Undo<T> {
  if (now === of.now) return of;
  const before = joins && of.before.length ? of.before : [...of.before, of.now].slice(-MOST);
  return { before, now, after: [] };
}

export function undone<T>(of: Undo<T>): Undo<T> {
  const now = of.before.at(-1);
  return now === undefined ? of : { before: of.before.slice(0, -1), now, after: [of.now, ...of.after] };
}

export function redone<T>(of: Undo<T>): Undo<T> {
  const [now, ...after] = of.after;
  return now === undefined ? of : { before: [...of.before, of.now], now, after };
}
