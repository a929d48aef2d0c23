/** Both pages of dashboards: they come together, when the first of them is looked at. */

export { default as Dashboard } from "./Dashboard.svelte";
export { default as Dashboards } from "./Dashboards.svelte";
