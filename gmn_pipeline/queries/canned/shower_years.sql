-- title: A shower year by year, with outbursts
-- description: Trajectories of a shower in steps of solar longitude, for each of its returns (named
--   after the year of its middle, so that a shower about the New Year is not cut), beside the
--   sporadic ones of the same step. A step stands out if it has ten meteors of the shower or more,
--   if the shower's number for each sporadic meteor is so many times that of all other years
--   together, and if the excess is as significant as asked for by Li and Ma (1983, Astrophysical
--   Journal 272, 317, equation 17; the sporadic numbers stand in for exposures). The second
--   condition is there since weather over a part of the network, and the growth of the network,
--   change the ratio by more than Poisson's law knows. A step that stands out is to be looked at; it
--   is no proof.
-- parameter: shower | text | PER | | IAU code of the shower
-- parameter: step_deg | positive | 1 | deg | width of a step of solar longitude
-- parameter: times | positive | 2 | | least ratio to the other years of a step that stands out
-- parameter: sigmas | positive | 5 | | least significance of a step that stands out
WITH middle AS (
  SELECT circular_mean_deg(solar_longitude_deg) AS deg
  FROM trajectories WHERE iau_shower_code = upper($shower)
), counted AS (
  -- J2000.0 is 2000-01-01 12:00, of solar longitude 280.37 deg; a sidereal year later it is there
  -- again. What is left over of whole years is below two weeks in a hundred years.
  SELECT 2000 + round((epoch_us(beginning_utc_time) - 946728000000000) / 86400e6 / 365.25636
      - ((middle.deg - 280.37 + 360) % 360
        + angle_difference_deg(solar_longitude_deg, middle.deg)) / 360)::INTEGER AS year,
    round(floor(solar_longitude_deg / $step_deg) * $step_deg, 6) AS solar_longitude_from_deg,
    count(*) FILTER (iau_shower_code = upper($shower)) AS shower,
    count(*) FILTER (iau_shower_number = -1) AS sporadic
  FROM trajectories, middle
  WHERE middle.deg IS NOT NULL
  GROUP BY ALL
), beside AS (
  SELECT *,
    sum(shower) OVER (PARTITION BY solar_longitude_from_deg) - shower AS others,
    sum(sporadic) OVER (PARTITION BY solar_longitude_from_deg) - sporadic AS others_sporadic,
    sporadic / nullif(others_sporadic, 0) AS alpha
  FROM counted
), compared AS (
  SELECT *,
    sign(shower - alpha * others) * sqrt(2 * greatest(0,
      shower * ln((1 + alpha) / nullif(alpha, 0) * shower / (shower + others))
      + CASE WHEN others > 0 THEN others * ln((1 + alpha) * others / (shower + others)) ELSE 0 END
    )) AS sigmas
  FROM beside WHERE shower > 0
)
SELECT year, solar_longitude_from_deg, shower, sporadic,
  round(shower / nullif(sporadic, 0), 4) AS ratio,
  round(ratio * sqrt(1 / shower + 1 / nullif(sporadic, 0)), 4) AS ratio_error,
  round(others / nullif(others_sporadic, 0), 4) AS other_years_ratio,
  round(sigmas, 1) AS significance_sigmas,
  coalesce(shower >= 10 AND sigmas >= $sigmas AND shower >= $times * alpha * others, false)
    AS stands_out
FROM compared
ORDER BY year, solar_longitude_from_deg
