/** Going from page to page without loading the portal anew. */

import { isEmbedded } from "./embedded";
import { place } from "./router";

export function go(path: string): void {
  if (isEmbedded() && path.split("?")[0] !== location.pathname) {
    window.open(path, "_blank", "noopener");
    return;
  }
  history.pushState(null, "", path);
  dispatchEvent(new PopStateEvent("popstate"));
}

/** Whether a click is one that a link of the portal takes, and not the browser. */
export function taken(event: MouseEvent): string | null {
  if (event.defaultPrevented || event.button !== 0) return null;
  if (event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return null;
  const link = (event.target as Element).closest("a");
  if (link && isEmbedded()) link.target = "_blank"; // the frame stays what it was
  if (!link || link.origin !== location.origin || link.hasAttribute("download") || link.target) return null;
  return place(link.pathname).page === "nowhere" ? null : link.pathname + link.search;
}
