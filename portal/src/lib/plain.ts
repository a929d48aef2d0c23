/** What went wrong, in plain words. */

import { Problem } from "./api";
import { number } from "./format";

export function plainly(error: unknown): string {
  if (!(error instanceof Problem)) return "The server cannot be reached.";
  const later = error.retryAfterS === null ? "" : ` Try again in ${number(error.retryAfterS)} s.`;
  if (error.status === 429) return `That was too many requests in one minute: ${lower(error.message)}${later}`;
  if (error.status === 503) return `The server cannot answer just now: ${lower(error.message)}${later}`;
  return error.message;
}

function lower(text: string): string {
  return `${text.slice(0, 1).toLowerCase()}${text.slice(1)}`;
}
