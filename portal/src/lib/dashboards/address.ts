/** The state of a dashboard's filters, as its address says it. */

import type { Filter } from "./document";

export type Values = Record<string, string>;

/** Of each filter what the address says, or else what the dashboard begins with. */
export function valuesOf(search: string, filters: readonly Filter[]): Values {
  const said = new URLSearchParams(search);
  return Object.fromEntries(filters.map(({ name, value }) => [name, said.get(name) ?? value ?? ""]));
}

/** What follows the path, with the question mark: what is as it begins is left out. */
export function searchOf(values: Values, filters: readonly Filter[], more: Record<string, string> = {}): string {
  const pairs = filters.flatMap(({ name, value = "" }): [string, string][] => {
    const now = values[name] ?? "";
    return now === value ? [] : [[name, now]];
  });
  const others = Object.entries(more).filter(([, value]) => value !== "");
  const query = String(new URLSearchParams([...pairs, ...others]));
  return query ? `?${query}` : "";
}

/** What is put into another site's page. Attributes are quoted, so that no title gets out of them. */
export function embedCode(address: string, title: string): string {
  const quoted = (text: string): string =>
    text.replaceAll("&", "&amp;").replaceAll('"', "&quot;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
  return `<iframe src="${quoted(address)}" title="${quoted(title)}" width="100%" height="800" loading="lazy"></iframe>`;
}
