/** Where the value of a column leads. */

import { text, type Value } from "./api";
import { to } from "./router";

const PAGES: Record<string, (value: string) => string> = {
  trajectory_identifier: to.trajectory,
  unique_trajectory_identifier: to.trajectory,
  meteor_id: to.trajectory,
  iau_shower_code: to.shower,
  iau_code: to.shower,
  station_code: to.station,
  partner: to.station,
  country: to.country,
  bin_date: to.night,
};

/** The page of the portal that tells more of it. */
export function pageOfValue(column: string, value: Value | undefined): string | undefined {
  if (value === null || value === undefined || value === "..." || value === "") return undefined;
  return PAGES[column]?.(text(value));
}
