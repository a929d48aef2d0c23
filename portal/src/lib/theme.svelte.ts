/** Dark or light: as the system has it, until somebody chooses. */

const KEY = "gmn-theme";
export type Theme = "dark" | "light";

function first(): Theme {
  const said = new URLSearchParams(location.search).get("theme"); // of a page in a frame
  if (said === "dark" || said === "light") return said;
  const chosen = localStorage.getItem(KEY);
  if (chosen === "dark" || chosen === "light") return chosen;
  return matchMedia("(prefers-color-scheme: light)").matches ? "light" : "dark";
}

export const theme = $state({ name: first() });

export function apply(): void {
  document.documentElement.dataset["theme"] = theme.name;
}

export function toggle(): void {
  theme.name = theme.name === "dark" ? "light" : "dark";
  localStorage.setItem(KEY, theme.name);
  apply();
}
