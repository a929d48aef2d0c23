"""Dagster's retries: whether a run that met an error is to try again."""

from collections.abc import Sequence

import dagster as dg

from gmn_pipeline.errors import GmnError, RetryableError
from gmn_pipeline.settings import RunSettings


def retry_or_fail(
    context: dg.AssetExecutionContext | dg.AssetCheckExecutionContext,
    settings: RunSettings,
    errors: Sequence[GmnError],
    failure: dg.Failure | None = None,
) -> Exception:
    """What ends a run: another attempt if that may help with an error, else the failure.

    Each attempt comes after twice the pause, as long as the settings allow one.
    """
    failure = failure or dg.Failure("; ".join(map(str, errors)))
    may_pass = any(isinstance(error, RetryableError) for error in errors)
    if not may_pass or context.retry_number >= settings.run_retries:
        return failure
    context.log.warning(f"{failure.description} Trying again.")
    pause_s = settings.run_retry_pause_s * 2**context.retry_number
    return dg.RetryRequested(settings.run_retries, pause_s)
