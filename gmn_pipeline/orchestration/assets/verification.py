"""Whether the warehouse is sound, as Dagster shows it: a check that looks at all of it.

What belongs here: the check. What does not: what makes a warehouse sound (`warehouse/verify.py`).
"""

import dagster as dg

from gmn_pipeline.orchestration.assets import keys
from gmn_pipeline.orchestration.markdown import cell
from gmn_pipeline.orchestration.resources import Pipeline
from gmn_pipeline.warehouse.verify import verify

_SHOWN_PROBLEMS = 100


@dg.asset_check(
    name=keys.WAREHOUSE_IS_SOUND,
    asset=keys.WAREHOUSE_TRAJECTORIES,
    description="What the warehouse promises holds in all of it, whatever the runs said: nothing "
    "double, nothing without its file. 'gmn verify' asks the same.",
)
def warehouse_is_sound(
    context: dg.AssetCheckExecutionContext, pipeline: dg.ResourceParam[Pipeline]
) -> dg.AssetCheckResult:
    problems = verify(pipeline.warehouse())
    for problem in problems:
        context.log.error(problem)
    shown = "\n".join(f"- {cell(problem)}" for problem in problems[:_SHOWN_PROBLEMS])
    return dg.AssetCheckResult(
        passed=not problems,
        severity=dg.AssetCheckSeverity.ERROR,
        metadata={"problems": len(problems), "which": dg.MetadataValue.md(shown or "none")},
    )
