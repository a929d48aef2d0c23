"""Settings of the lake of station readings.

What belongs here: how readings are taken in and kept. What does not: their topic (`KafkaSettings`).
"""

from pydantic import Field, field_validator

from gmn_pipeline.settings.group import SettingsGroup


class ReadingsSettings(SettingsGroup):
    """Station readings: how they are taken in, and for how long they are kept."""

    readings_gather_s: float = Field(
        0.25, ge=0, description="Seconds that 'gmn stations take-in' gathers readings before it "
        "commits them: as much later they can be asked."
    )  # fmt: skip
    readings_batch: int = Field(
        20_000, ge=1, description="Most readings that are committed at once."
    )
    readings_rollup_s: float = Field(
        60.0, gt=0, description="Seconds between two rollups, after each of which small files are "
        "put together."
    )  # fmt: skip
    readings_keep_days: int | None = Field(
        400, ge=1, description="Days that readings are kept as they came; what was summed up of "
        "them by minute, hour and day stays for ever. Unset (empty): for ever too."
    )  # fmt: skip
    readings_states_keep_minutes: int = Field(
        60, ge=1, description="Minutes that former states of the lake of readings, and files that "
        "nothing names any more, are kept: there are some 7,000 states an hour."
    )  # fmt: skip

    @field_validator("readings_keep_days", mode="before")
    @classmethod
    def _empty_is_for_ever(cls, days: object) -> object:
        return None if days == "" else days
