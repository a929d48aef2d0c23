"""SQL that says which shower a trajectory belongs to, in one place.

What belongs here: conditions and expressions for whoever joins trajectories and the IAU list.
What does not: running them. Files hold the number and code that the network gave; the list
changes, so whether it knows a shower is asked when it is wanted and not written into rows.
"""

NOT_IN_LIST = "name not in the list"
"""What stands for the name of a shower that the IAU list does not know."""

SPORADIC = "(iau_shower_number = -1 AND iau_shower_code = '...')"
"""True for a trajectory of no shower. A condition on columns of `trajectories`."""

JOIN_SHOWERS = "LEFT JOIN iau_showers USING (iau_shower_number, iau_shower_code)"
"""Joins `trajectories` with the shower of the same number and code."""

SHOWER_NAME = f"CASE WHEN {SPORADIC} THEN 'sporadic' ELSE iau_shower_name END"
"""After JOIN_SHOWERS: the name; null for a shower that the list does not know."""

UNKNOWN_SHOWERS = f"""
SELECT t.iau_shower_number, t.iau_shower_code, any_value(s.iau_shower_code) AS code_in_list,
  any_value(s.iau_shower_name) AS name_in_list, count(*) AS trajectories
FROM (
  SELECT iau_shower_number, iau_shower_code FROM trajectories WHERE NOT {SPORADIC}
) t LEFT JOIN iau_showers s USING (iau_shower_number)
WHERE s.iau_shower_code IS DISTINCT FROM t.iau_shower_code
GROUP BY 1, 2
ORDER BY trajectories DESC, 1, 2
"""
"""Showers of trajectories that the list does not have, or has under another code."""
