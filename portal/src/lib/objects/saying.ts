/** What is said of an object, as a form has it, and back. The server checks all of it again. */

export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };
type JsonObject = { [key: string]: Json };

/** A property of metadata that a container's schema has, simple enough for one input. */
export interface Field {
  name: string;
  title: string;
  about: string;
  kind: "text" | "number" | "choice";
  isInteger: boolean;
  least: number | undefined;
  most: number | undefined;
  /** Values of a choice, as JSON. */
  choices: string[];
  isRequired: boolean;
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

const numberOr = (value: unknown): number | undefined => (typeof value === "number" ? value : undefined);
const textOr = (value: unknown, otherwise: string): string => (typeof value === "string" ? value : otherwise);

/** The properties that get inputs of their own; all else is edited as JSON. */
export function fieldsOf(schema: unknown): Field[] {
  if (!isObject(schema) || !isObject(schema["properties"])) return [];
  const required = Array.isArray(schema["required"]) ? schema["required"] : [];
  const found: Field[] = [];
  for (const [name, of] of Object.entries(schema["properties"])) {
    if (!isObject(of)) continue;
    const choices = Array.isArray(of["enum"]) ? of["enum"] : of["type"] === "boolean" ? [true, false] : [];
    const isNumber = of["type"] === "number" || of["type"] === "integer";
    if (!choices.length && !isNumber && of["type"] !== "string") continue;
    found.push({
      name, title: textOr(of["title"], name), about: textOr(of["description"], ""),
      kind: choices.length ? "choice" : isNumber ? "number" : "text",
      isInteger: of["type"] === "integer",
      least: numberOr(of["minimum"]), most: numberOr(of["maximum"]),
      choices: choices.map((one) => JSON.stringify(one)),
      isRequired: required.includes(name),
    });
  }
  return found;
}

/** What an input shows of a value; null if it cannot show it, so that it stays among the JSON. */
export function typedOf(field: Field, value: Json | undefined): string | null {
  if (value === undefined) return "";
  if (field.kind === "choice") return field.choices.includes(JSON.stringify(value)) ? JSON.stringify(value) : null;
  if (field.kind === "number") return typeof value === "number" ? String(value) : null;
  return typeof value === "string" && !value.includes("\n") ? value : null;
}

/** Metadata of a form: what its inputs say, before the rest, which is JSON. Raises SyntaxError. */
export function metadataOf(fields: readonly Field[], typed: Record<string, string>, rest: string): JsonObject {
  const parsed = (rest.trim() ? JSON.parse(rest) : {}) as Json;
  if (!isObject(parsed)) throw new SyntaxError("no object");
  const said: JsonObject = { ...(parsed as JsonObject) };
  for (const field of fields) {
    const text = typed[field.name] ?? "";
    if (text === "") continue;
    said[field.name] = field.kind === "choice" ? (JSON.parse(text) as Json) : field.kind === "number" ? Number(text) : text;
  }
  return said;
}

/** What changes, as a merge patch (RFC 7396): null for what is to go. */
export function mergePatch(before: JsonObject, after: JsonObject): JsonObject {
  const patch: JsonObject = {};
  for (const name of Object.keys(before)) if (!(name in after)) patch[name] = null;
  for (const [name, value] of Object.entries(after)) {
    const was = before[name];
    if (isObject(value) && isObject(was)) {
      const inner = mergePatch(was as JsonObject, value as JsonObject);
      if (Object.keys(inner).length) patch[name] = inner;
    } else if (JSON.stringify(value) !== JSON.stringify(was)) patch[name] = value;
  }
  return patch;
}

/** Words with commas between. */
export const wordsOf = (text: string): string[] => [...new Set(text.split(",").map((one) => one.trim()).filter(Boolean))];

/** `station:US0001, night:2022-03-04` as links. */
export const linksOf = (text: string): { kind: string; key: string }[] =>
  wordsOf(text).map((one) => {
    const at = one.indexOf(":");
    return at < 0 ? { kind: one, key: "" } : { kind: one.slice(0, at).trim(), key: one.slice(at + 1).trim() };
  });
