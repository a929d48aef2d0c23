/** Asking for objects: their public addresses, with the token of this tab if there is one. */

import { Problem } from "../api";
import { number } from "../format";
import { authorization, token } from "../token";

export interface StoredObject {
  object_id: number;
  project: string;
  container: string;
  name: string;
  version: number;
  is_newest: boolean;
  size_bytes: number;
  sha256: string;
  content_type: string;
  application: string;
  metadata: Record<string, unknown>;
  tags: string[];
  links: { kind: string; key: string }[];
  observed_from_utc: string | null;
  observed_until_utc: string | null;
  latitude_deg: number | null;
  longitude_deg: number | null;
  put_at_utc: string;
  put_by: string;
  deleted_at_utc: string | null;
  restorable_until_utc: string | null;
  address: string;
}

export interface Operation {
  number: number;
  kind: string;
  version: number | null;
  by: string;
  at_utc: string;
  reason: string;
}

/** That an object may be read by one account. */
export interface Share {
  with: string;
  by: string;
  at_utc: string;
  until_utc: string | null;
}

export interface Listing {
  folders: { name: string; objects: number }[];
  objects: StoredObject[];
  next_url: string | null;
  /** Of a search, on its first page: how many there are in all, or that they are more than so many. */
  object_count?: number;
  size_bytes?: number | null;
  is_count_exact?: boolean;
}

/** How much a search has found in all. */
export function totalOf({ object_count: count, size_bytes: bytes, is_count_exact: isExact }: Listing): string {
  if (count === undefined) return "";
  if (!isExact) return `more than ${number(count)} objects`;
  return `${number(count)} ${count === 1 ? "object" : "objects"}${bytes ? `, ${size(bytes)}` : ""}`;
}

/** An object's address, and those beside it (`_about`, `_versions` ...). */
export function address(one: { project: string; container: string; name: string }, beside = ""): string {
  const name = one.name.split("/").map(encodeURIComponent).join("/");
  return `/objects/${beside ? `${beside}/` : ""}${one.project}/${one.container}/${name}`;
}

/** The page of a folder, or of an object in it. */
export function pageOf(project = "", container = "", query: Record<string, string> = {}): string {
  const given = Object.entries(query).filter(([, value]) => value !== "");
  const path = ["/objects", project, container].filter(Boolean).join("/");
  return given.length ? `${path}?${new URLSearchParams(given)}` : path;
}

/** An answer with its ETag, as who has signed in. Raises Problem. */
export async function askTagged<T>(path: string, how: RequestInit = {}): Promise<[T, string]> {
  const headers = { Accept: "application/json", ...authorization(), ...how.headers };
  const response = await fetch(path, { ...how, headers });
  const body: unknown = await response.json().catch(() => null);
  if (!response.ok) {
    const said = (body ?? {}) as { detail?: string; title?: string };
    throw new Problem(response.status, said.detail ?? said.title ?? `Status ${response.status}`);
  }
  return [body as T, response.headers.get("ETag") ?? ""];
}

/** Raises Problem. */
export async function ask<T>(path: string, how: RequestInit = {}): Promise<T> {
  return (await askTagged<T>(path, how))[0];
}

/** Raises Problem. */
export function tell<T>(method: string, path: string, what: unknown = {}, more: Record<string, string> = {}): Promise<T> {
  return ask<T>(path, {
    method, body: JSON.stringify(what), headers: { "Content-Type": "application/json", ...more },
  });
}

/** An object's parts, as answers name it: PROJECT/CONTAINER/NAME. */
export function parted(whole: string): { project: string; container: string; name: string } {
  const [project = "", container = "", ...name] = whole.split("/");
  return { project, container, name: name.join("/") };
}

/** Where a browser gets the newest bytes of an object that is named; empty if it cannot. */
export async function pictureAddress(whole: string): Promise<string> {
  const one = parted(whole);
  if (!token.get()) return address(one);
  const shared = `${address(one, "_share")}?through=server&seconds=3600`;
  return tell<{ address: string }>("POST", shared).then((made) => made.address, () => "");
}

/** Where a browser gets the bytes by itself: it can bring no token, so then the address is signed. */
export async function openAddress(one: StoredObject): Promise<string> {
  if (!token.get()) return `${one.address}?version=${one.version}`;
  const shared = `${address(one, "_share")}?through=server&version=${one.version}&seconds=3600`;
  return (await tell<{ address: string }>("POST", shared)).address;
}

/** The first bytes. Raises Problem. */
export async function firstBytes(one: StoredObject, most: number): Promise<Uint8Array> {
  if (one.size_bytes === 0) return new Uint8Array();
  const response = await fetch(`${one.address}?version=${one.version}`, {
    headers: { ...authorization(), Range: `bytes=0-${most - 1}` },
  });
  if (!response.ok) throw new Problem(response.status, "Its bytes cannot be had.");
  return new Uint8Array(await response.arrayBuffer());
}

const UNITS = ["bytes", "kB", "MB", "GB", "TB"] as const;

/** 1.4 MB */
export function size(bytes: number): string {
  let [value, unit] = [bytes, 0];
  while (value >= 1000 && unit < UNITS.length - 1) [value, unit] = [value / 1000, unit + 1];
  return `${unit && value < 100 ? value.toFixed(1) : Math.round(value)} ${UNITS[unit]}`;
}
