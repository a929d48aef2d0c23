/** What the first bytes of a file show, without anything that could run. */

export type Preview =
  | { kind: "text"; text: string; isWhole: boolean }
  | { kind: "table"; rows: string[][]; isWhole: boolean }
  | { kind: "none" };

export const READ_BYTES = 65_536;
const FITS_BYTES = 2880 * 10;
const CARD = 80;
const MOST_ROWS = 50;
const TEXTS = ["application/json", "application/x-ndjson", "application/xml", "image/svg+xml", "application/x-votable+xml"];
export const IMAGES = ["image/png", "image/jpeg", "image/gif", "image/webp", "image/avif"];

/** What a browser plays, by itself and in parts. */
export const VIDEOS = ["video/mp4", "video/webm"];

/** How many bytes of a file of this type are worth reading; 0 for none. */
export function wanted(contentType: string): number {
  if (contentType === "application/fits") return FITS_BYTES;
  return contentType.startsWith("text/") || TEXTS.includes(contentType) ? READ_BYTES : 0;
}

export function preview(contentType: string, bytes: Uint8Array, size: number): Preview {
  if (!wanted(contentType)) return { kind: "none" };
  if (contentType === "application/fits") return { kind: "text", text: fitsHeader(bytes), isWhole: true };
  const isWhole = bytes.length >= size;
  const text = new TextDecoder().decode(bytes);
  if (contentType === "text/csv" || contentType === "text/tab-separated-values") {
    const rows = table(text, contentType === "text/csv" ? "," : "\t", isWhole);
    return { kind: "table", rows: rows.slice(0, MOST_ROWS), isWhole: isWhole && rows.length <= MOST_ROWS };
  }
  return { kind: "text", text: contentType === "application/json" && isWhole ? pretty(text) : text, isWhole };
}

function pretty(text: string): string {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}

/** The cards of a header, a line each, up to END: all that is shown of such a file. */
export function fitsHeader(bytes: Uint8Array): string {
  const text = new TextDecoder("latin1").decode(bytes);
  const cards = [];
  for (let at = 0; at < text.length; at += CARD) {
    const card = text.slice(at, at + CARD).trimEnd();
    if (card) cards.push(card);
    if (card === "END") break;
  }
  return cards.join("\n");
}

/** Rows of separated values, with quotes as RFC 4180 has them. The last one, if cut off, is left out. */
export function table(text: string, separator: string, isWhole: boolean): string[][] {
  const rows: string[][] = [];
  let [row, cell, isQuoted] = [[] as string[], "", false];
  for (let at = 0; at < text.length; at++) {
    const letter = text[at] as string;
    if (isQuoted) {
      if (letter !== '"') cell += letter;
      else if (text[at + 1] === '"') cell += text[++at];
      else isQuoted = false;
    } else if (letter === '"' && cell === "") isQuoted = true;
    else if (letter === separator) [row, cell] = [[...row, cell], ""];
    else if (letter === "\n") {
      rows.push([...row, cell.replace(/\r$/, "")]);
      [row, cell] = [[], ""];
    } else cell += letter;
  }
  if (isWhole && (cell || row.length)) rows.push([...row, cell]);
  return rows;
}
