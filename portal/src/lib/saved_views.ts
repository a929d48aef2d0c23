/** Views that somebody gave a name: an address each, as it is kept in the browser and nowhere else. */

export interface View {
  name: string;
  /** From the root on: /live?last=60. */
  address: string;
}

const MOST_LETTERS = 100;

/** What was kept; nothing of what was not kept by this page. */
export function read(text: string | null): View[] {
  let found: unknown;
  try {
    found = JSON.parse(text ?? "[]");
  } catch {
    return [];
  }
  if (!Array.isArray(found)) return [];
  return found.filter((one): one is View =>
    typeof one?.name === "string" && typeof one.address === "string" && /^\/(?!\/)/.test(one.address));
}

/** A name as it is kept; empty for none. */
export function named(text: string): string {
  return text.trim().replace(/\s+/g, " ").slice(0, MOST_LETTERS);
}

/** With a view more, in the order of names; it takes the place of one of that name. */
export function saved(views: readonly View[], view: View): View[] {
  return [...without(views, view.name), view].sort((a, b) => a.name.localeCompare(b.name));
}

export function without(views: readonly View[], name: string): View[] {
  return views.filter((one) => one.name !== name);
}

/** With another name for one; it takes the place of another one that is called so. */
export function renamed(views: readonly View[], from: string, to: string): View[] {
  const view = views.find(({ name }) => name === from);
  return view === undefined ? [...views] : saved(without(views, from), { ...view, name: to });
}
