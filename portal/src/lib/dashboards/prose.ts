/** Pieces of a text in Markdown (as marked's lexer tells them), read with care: anybody may have typed it. */

import type { Token, Tokens } from "marked";

export function tokensOf(of: Token): Token[] {
  return "tokens" in of && Array.isArray(of.tokens) ? of.tokens : [];
}

export function listOf(of: Token): { isOrdered: boolean; items: Token[][] } {
  const list = of as Tokens.List;
  return { isOrdered: list.ordered, items: list.items.map(({ tokens }) => tokens) };
}

/** What was typed, without the signs where there are some. */
export function plainOf(of: Token): string {
  if (of.type === "codespan" || of.type === "text" || of.type === "escape") return (of as Tokens.Text).text;
  return of.raw;
}

/** Where a link leads: to a page of the web or of this portal; undefined of anything else. */
export function linkOf(of: Token): string | undefined {
  const { href } = of as Tokens.Link;
  if (/^\/(?![/\\])/.test(href)) return href;
  return /^https?:\/\//i.test(href) ? href : undefined;
}
