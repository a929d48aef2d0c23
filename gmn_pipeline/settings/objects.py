"""Settings of objects.

What belongs here: where their bytes are, and how long what is not needed any more is kept.
"""

from pydantic import Field, field_validator

from gmn_pipeline.settings.folders import FolderSettings
from gmn_pipeline.settings.object_storage import ObjectStorageSettings


class ObjectSettings(FolderSettings, ObjectStorageSettings):
    """Objects: where their bytes are, and how long what is deleted can come back."""

    objects_storage_url: str | None = Field(
        None,
        description="Bytes of objects: s3://bucket/prefix, or a folder. Unset: in the data folder.",
    )
    objects_restore_days: float = Field(
        30.0, ge=0, description="Days that a deleted object can be restored."
    )
    objects_claim_hours: float = Field(
        24.0,
        gt=0,
        description="Hours after which bytes that came, and that no object names, are removed: "
        "longer than any upload takes from its last byte to its name.",
    )
    objects_check_days: float = Field(
        30.0,
        ge=0,
        description="Days after which the weekly check reads an object's bytes again; 0: each "
        "time.",
    )

    @field_validator("objects_storage_url")
    @classmethod
    def _empty_is_unset(cls, url: str | None) -> str | None:
        return url or None
