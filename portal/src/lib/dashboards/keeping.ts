/** Dashboards as the server keeps them. */

import { Problem } from "../api";
import { ask, askTagged, tell, type Share } from "../objects/asking";
import { tidy, type Document } from "./document";

export interface Listed {
  id: string;
  title: string;
  description: string;
  panels: number;
  address: string;
  comes_along: boolean;
  version?: number;
  is_newest?: boolean;
  saved_by?: string;
  saved_at_utc?: string;
  made_by?: string;
  is_private?: boolean;
  /** By whom it is shared with who asks, if it is. */
  shared?: Share | null;
}

export interface Whole extends Listed {
  document: Document;
  may_change: boolean;
  may_make: boolean;
  /** Whether one may say who reads it. */
  may_share: boolean;
}

/** Who reads one. */
export interface Access {
  is_private: boolean;
  made_by: string;
  shares: Share[];
  is_to_sign_in: boolean;
}

/** One as it was read, with what a save of it stands on. */
export interface Read {
  whole: Whole;
  tag: string;
}

export interface List {
  dashboards: Listed[];
  may_make: boolean;
  account: string;
  is_to_sign_in: boolean;
}

const SAVED_MEANWHILE = 412;

/** Where a dashboard is, or what is beside it. */
export function addressOf(id: string, beside = ""): string {
  return `/dashboards/${encodeURIComponent(id)}${beside && `/${beside}`}.json`;
}

/** Raises Problem. */
export async function all(areDeleted = false): Promise<List> {
  return (await askTagged<List>(`/dashboards.json${areDeleted ? "?deleted=on" : ""}`))[0];
}

/** Raises Problem. */
export async function read(id: string, version = "", link = ""): Promise<Read> {
  const query = new URLSearchParams({ ...(version ? { version } : {}), ...(link ? { link } : {}) });
  const [whole, tag] = await askTagged<Partial<Whole>>(`${addressOf(id)}${query.size ? `?${query}` : ""}`);
  if (!whole.document) throw new Problem(404, `There is no dashboard “${id}”.`); // the schema, say
  if (whole.document.version !== 1) throw new Problem(400, "The dashboard was saved by a later version of this program.");
  return { whole: whole as Whole, tag };
}

/** The next version of the one that was read, or a new one, which may be private. Raises Problem. */
export async function save(
  document: Document, before: { id: string; tag: string } | null, isPrivate = false,
): Promise<Read> {
  const [path, method] = before ? [addressOf(before.id), "PUT"] : [`/dashboards.json${isPrivate ? "?private=on" : ""}`, "POST"];
  const headers = { "Content-Type": "application/json", ...(before ? { "If-Match": before.tag } : {}) };
  const [whole, tag] = await askTagged<Whole>(path, { method, headers, body: JSON.stringify(tidy(document)) });
  return { whole, tag };
}

export function isSavedMeanwhile(error: unknown): boolean {
  return error instanceof Problem && error.status === SAVED_MEANWHILE;
}

/** Raises Problem. */
export async function versions(id: string): Promise<Listed[]> {
  return (await askTagged<{ versions: Listed[] }>(addressOf(id, "versions")))[0].versions;
}

/** Raises Problem. */
export async function remove(id: string, tag: string): Promise<void> {
  await askTagged(addressOf(id), { method: "DELETE", headers: { "If-Match": tag } });
}

/** Raises Problem. */
export function restore(id: string): Promise<Whole> {
  return tell<Whole>("POST", addressOf(id, "restore"));
}

/** Raises Problem. */
export function access(id: string): Promise<Access> {
  return ask<Access>(addressOf(id, "access"));
}

/** Raises Problem. */
export function setPrivate(id: string, is_private: boolean): Promise<Access> {
  return tell<Access>("PUT", addressOf(id, "access"), { is_private });
}

/** An address that holds for so long. Raises Problem. */
export function makeLink(id: string, seconds: number): Promise<{ address: string; valid_until_utc: string }> {
  return tell("POST", `${addressOf(id, "link")}?${new URLSearchParams({ seconds: String(Math.round(seconds)) })}`);
}

/** Raises Problem. */
export function endLinks(id: string): Promise<Access> {
  return tell<Access>("DELETE", addressOf(id, "link"));
}

export interface Draft {
  document: Document;
  tag: string;
  isPrivate: boolean;
}

/** What was changed and not saved, kept in this tab: a reload loses nothing. */
export const draft = {
  get(id: string): Draft | null {
    try {
      const found = JSON.parse(sessionStorage.getItem(`dashboard-${id}`) ?? "null") as Draft | null;
      return found && Array.isArray(found.document?.panels) ? found : null;
    } catch {
      return null;
    }
  },
  set(id: string, of: Draft): void {
    try {
      sessionStorage.setItem(`dashboard-${id}`, JSON.stringify(of));
    } catch {
      // a browser that keeps nothing
    }
  },
  forget: (id: string): void => sessionStorage.removeItem(`dashboard-${id}`),
};
