"""Settings of the processing of objects.

What belongs here: how much one object may take, and how often it is tried. What does not: what is
read out of objects of a container (its rules, in the operational database).
"""

from pathlib import Path

from pydantic import Field

from gmn_pipeline.settings.group import SettingsGroup


class ProcessingSettings(SettingsGroup):
    """Processing of objects: what one may take, and how often it is tried."""

    objects_process_s: float = Field(
        120.0, gt=0, description="Most seconds that a processor may work on an object."
    )
    objects_process_memory_mb: int = Field(
        1_024, ge=64, description="Most memory (MB) that a processor may take for an object."
    )
    objects_process_output_mb: int = Field(
        1_024, ge=1, description="Most disk space (MB) for what a processor makes of an object."
    )
    objects_process_megapixels: int = Field(
        100, ge=1, description="Largest image (millions of pixels) that is looked at."
    )
    objects_process_tries: int = Field(
        3, ge=1, description="How often an object is tried that a processor fails on."
    )
    objects_process_batch: int = Field(
        200, ge=1, description="Most objects that one run of the pipeline works on."
    )
    objects_detector_model: Path | None = Field(
        None, description="A detector of one's own for images: a file in ONNX "
        "(docs/processing.md). Another one has all images read again."
    )  # fmt: skip
    objects_detector_labels: str = Field(
        "", description="What that detector's numbers stand for, from 0: meteor, aeroplane, ..."
    )
    objects_detector_input_px: int = Field(
        640, ge=8, description="Width and height (pixels) that it is given, where it takes any."
    )
    objects_detector_least_score: float = Field(
        0.25, ge=0, le=1, description="What it is less sure of is left out."
    )
    objects_process_every_s: float = Field(
        2.0, gt=0, description="Seconds between two looks of 'gmn objects process --follow' at "
        "what waits."
    )  # fmt: skip
