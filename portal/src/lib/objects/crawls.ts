/** Crawls of a project, as the server tells them, and asking for what is done with them. */

import { to } from "../router";
import { ask, tell } from "./asking";

export interface Rights {
  may_process: boolean;
  may_manage: boolean;
  may_make: boolean;
}

export interface Outcome {
  state: string;
  by?: string;
  listed: number;
  unchanged: number;
  read: number;
  failed: number;
  no_table: number;
  left_out: number;
  gone: number;
  put: number;
  deleted: number;
  failure_count: number;
  failures?: Record<string, string>;
  reason?: string;
  remedy?: string;
}

export interface Crawl {
  crawl: string;
  project: string;
  container: string;
  /** Null to who may not know it. */
  source: string | null;
  endpoint: string | null;
  pattern: string;
  accept: "proposed" | "view" | "loaded";
  accept_names: string;
  delete: boolean;
  anonymous: boolean;
  schedule: string;
  state: "never" | "running" | "stopping" | "ended" | "stopped" | "failed" | "broken off";
  began_at_utc: string | null;
  ended_at_utc: string | null;
  outcome: Outcome | null;
  table_count: number;
  proposed_count: number;
  address: string;
}

export interface CrawledTable {
  table: string;
  state: "proposed" | "view" | "loaded" | "refused";
  shown_as: string;
  in_lake: string | null;
  content_type: string;
  columns: { name: string; type: string }[];
  file_count: number;
  row_count: number;
  decided_by: string | null;
  decided_at_utc: string | null;
}

export interface CrawlChange {
  at_utc: string;
  table: string;
  kind: string;
  column: string;
  type_before: string;
  type_after: string;
  path: string;
}

export interface WholeCrawl extends Crawl, Rights {
  tables: CrawledTable[];
  changes: CrawlChange[];
  left_out_count: number;
  left_out: { path: string; table: string; reason: string }[];
}

export const isUnderWay = ({ state }: Pick<Crawl, "state">): boolean => state === "running" || state === "stopping";

/** What a state means, for people. */
export const STATES: Record<Crawl["state"], string> = {
  never: "has not run yet", running: "runs", stopping: "runs, and is to stop", ended: "has ended",
  stopped: "was stopped: the next run goes on from there", failed: "failed",
  "broken off": "broke off: the next run goes on from there",
};

/** Each raises Problem. */
export const crawls = {
  all: (project: string) => ask<{ crawls: Crawl[] } & Rights>(to.crawl(project)),
  one: (project: string, name: string) => ask<WholeCrawl>(to.crawl(project, name)),
  save: (project: string, name: string, said: object) => tell<WholeCrawl>("PUT", to.crawl(project, name), said),
  forget: (one: Crawl) => tell("DELETE", one.address),
  run: (one: Crawl) => tell<WholeCrawl>("POST", `${one.address}/_run`),
  stop: (one: Crawl) => tell<WholeCrawl>("POST", `${one.address}/_stop`),
  decide: (one: Crawl, table: string, state: CrawledTable["state"], shown_as: string) =>
    tell<WholeCrawl>("POST", `${one.address}/${encodeURIComponent(table)}`, { state, shown_as }),
};
