/** Whether the page stands in a frame of another site's page: then it shows itself, and leads away in
 * a tab of its own, so that nobody is led to press in the frame what they do not see. */

export function isEmbedded(): boolean {
  return new URLSearchParams(location.search).get("embed") === "1";
}
