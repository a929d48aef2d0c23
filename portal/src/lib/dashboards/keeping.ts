/** Dashboards as the server keeps them. */

import { Problem } from "../api";
import { askTagged, tell } from "../objects/asking";
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
}

export interface Whole extends Listed {
  document: Document;
  may_change: boolean;
  may_make: boolean;
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

/** Raises Problem. */
export async function all(areDeleted = false): Promise<List> {
  return (await askTagged<List>(`/dashboards.json${areDeleted ? "?deleted=on" : ""}`))[0];
}

/** Raises Problem. */
export async function read(id: string, version = ""): Promise<Read> {
  const query = version ? `?${new URLSearchParams({ version })}` : "";
  const [whole, tag] = await askTagged<Partial<Whole>>(`/dashboards/${encodeURIComponent(id)}.json${query}`);
  if (!whole.document) throw new Problem(404, `There is no dashboard “${id}”.`); // the schema, say
  if (whole.document.version !== 1) throw new Problem(400, "The dashboard was saved by a later version of this program.");
  return { whole: whole as Whole, tag };
}

/** The next version of the one that was read, or a new one. Raises Problem. */
export async function save(document: Document, before: { id: string; tag: string } | null): Promise<Read> {
  const [path, method] = before ? [`/dashboards/${encodeURIComponent(before.id)}.json`, "PUT"] : ["/dashboards.json", "POST"];
  const headers = { "Content-Type": "application/json", ...(before ? { "If-Match": before.tag } : {}) };
  const [whole, tag] = await askTagged<Whole>(path, { method, headers, body: JSON.stringify(tidy(document)) });
  return { whole, tag };
}

export function isSavedMeanwhile(error: unknown): boolean {
  return error instanceof Problem && error.status === SAVED_MEANWHILE;
}

/** Raises Problem. */
export async function versions(id: string): Promise<Listed[]> {
  return (await askTagged<{ versions: Listed[] }>(`/dashboards/${encodeURIComponent(id)}/versions.json`))[0].versions;
}

/** Raises Problem. */
export async function remove(id: string, tag: string): Promise<void> {
  await askTagged(`/dashboards/${encodeURIComponent(id)}.json`, { method: "DELETE", headers: { "If-Match": tag } });
}

/** Raises Problem. */
export function restore(id: string): Promise<Whole> {
  return tell<Whole>("POST", `/dashboards/${encodeURIComponent(id)}/restore.json`);
}

/** What was changed and not saved, kept in this tab: a reload loses nothing. */
export const draft = {
  get(id: string): { document: Document; tag: string } | null {
    try {
      const found = JSON.parse(sessionStorage.getItem(`dashboard-${id}`) ?? "null") as { document: Document; tag: string } | null;
      return found && Array.isArray(found.document?.panels) ? found : null;
    } catch {
      return null;
    }
  },
  set(id: string, document: Document, tag: string): void {
    try {
      sessionStorage.setItem(`dashboard-${id}`, JSON.stringify({ document, tag }));
    } catch {
      // a browser that keeps nothing
    }
  },
  forget: (id: string): void => sessionStorage.removeItem(`dashboard-${id}`),
};
