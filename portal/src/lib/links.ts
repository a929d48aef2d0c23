/** Where the value of a column leads. */

import { text, type Value } from "./api";
import { to } from "./router";

const OBJECT = /^([a-z0-9-]+)\/([a-z0-9-]+)\/(.+)$/;

/** The page of an object, by its whole name; of what is none, nothing. */
export function pageOfObject(whole: string): string | undefined {
  const [, project, container, object] = OBJECT.exec(whole) ?? [];
  return object && `/objects/${project}/${container}?${new URLSearchParams({ object })}`;
}

const PAGES: Record<string, (value: string) => string | undefined> = {
  trajectory_identifier: to.trajectory,
  unique_trajectory_identifier: to.trajectory,
  meteor_id: to.trajectory,
  iau_shower_code: to.shower,
  iau_code: to.shower,
  station_code: to.station,
  partner: to.station,
  country: to.country,
  bin_date: to.night,
  object: pageOfObject,
  preview: pageOfObject,
};

/** The page of the portal that tells more of it. */
export function pageOfValue(column: string, value: Value | undefined): string | undefined {
  if (value === null || value === undefined || value === "..." || value === "") return undefined;
  return PAGES[column]?.(text(value));
}
