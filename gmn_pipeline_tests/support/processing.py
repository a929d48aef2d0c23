"""A lake of objects whose objects are read by processors, and files to be read."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits
from PIL import Image

from gmn_pipeline.database.object_runs import ObjectRun
from gmn_pipeline.flows.object_processing import ObjectProcessing, Processed
from gmn_pipeline.processing.workshop import Workshop
from gmn_pipeline.schemas.objects import ObjectName, StoredObject
from gmn_pipeline.settings import Settings
from gmn_pipeline.warehouse.connection import WarehouseConnection
from gmn_pipeline.warehouse.lakes import READINGS
from gmn_pipeline_tests.support.objects import PERSON, ObjectBench, object_bench

FF_NAME = "FF_US0001_20220304_210000_123_0000000.fits"

FTP_DETECT_INFO = """\
Meteor Count = 000001
-----------------------------------------------------
Processed with RMS 1.0 20220301_101112 abcdef on 2022-03-05 08:00:00.000000 UTC
-----------------------------------------------------
FF  folder = /home/pi/RMS_data/ArchivedFiles/US0001_20220304_200000_000000
CAL folder = /home/pi/RMS_data/ArchivedFiles/US0001_20220304_200000_000000
-----------------------------------------------------
FF  file processed
CAL file processed
Cam# Meteor# #Segments fps hnr mle bin Pix/fm Rho Phi
Per segment:  Frame# Col Row RA Dec Azim Elev Inten Mag
-------------------------------------------------------
FF_US0001_20220304_210000_123_0000000.fits
Recalibrated with RMS on: 2022-03-05 08:00:00 UTC
US0001 0001 0003 0025.00 000.0 000.0  00.0 003.2 0271.9 0008.1
25.0000 0665.44 0235.00 123.4567 +45.6789 180.5000 +40.2500 000101 2.34
26.0000 0666.60 0236.00 123.5567 +45.5789 181.5000 +39.2500 000119 2.10
27.0000 0000nan 0000nan 00000nan 0000+nan 00000nan 0000+nan 000000 0.00
"""


@dataclass
class ProcessingBench:
    """The parts, opened, and the process in which objects are read."""

    objects: ObjectBench
    processing: ObjectProcessing
    workshop: Workshop

    def put(self, name: str, data: bytes | str) -> StoredObject:
        return self.objects.put(name, data.encode() if isinstance(data, str) else data)

    def process(self) -> Processed:
        """All that waits."""
        return self.processing.process_all(self.workshop)

    def now(self, name: str) -> StoredObject:
        return self.objects.catalogue.object(ObjectName("cams", "ff", name))

    def said(self, name: str, processor: str) -> Any:
        """What a processor found."""
        return self.now(name).description.metadata.get(processor)

    def runs(self, name: str) -> dict[str, ObjectRun]:
        """The newest run of each processor."""
        found = self.processing.runs.of_object(self.now(name).object_id)
        return {run.processor: run for run in reversed(found)}

    def set_rules(self, **rules: Any) -> None:
        self.processing.runs.set_rules("cams", "ff", rules, PERSON)

    def ask(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        with self.processing.lake.open(read_only=True) as connection:
            return connection.execute(sql, list(values)).fetchall()

    def ask_readings(self, sql: str) -> list[tuple[Any, ...]]:
        """Of the lake of readings."""
        lake = WarehouseConnection(self.processing.settings, READINGS)
        with lake.open(read_only=True) as connection:
            return connection.execute(sql).fetchall()


@contextmanager
def processing_bench(settings: Settings) -> Iterator[ProcessingBench]:
    objects = object_bench(settings)
    processing = ObjectProcessing(settings, PERSON)
    with processing.working() as workshop:
        yield ProcessingBench(objects, processing, workshop)


def night_sky(stars: list[tuple[int, int]], streak: bool = False) -> np.ndarray[Any, Any]:
    """Levels of 0 to 255 of an image (rows first) with noise, stars at (x, y), and a meteor from
    (100, 100) to (159, 129) if wanted."""
    levels = np.random.default_rng(1).normal(30, 2, (240, 320))
    for x, y in stars:
        levels[y - 1 : y + 2, x - 1 : x + 2] += 100
    for step in range(60) if streak else ():
        levels[100 + step // 2 : 102 + step // 2, 100 + step] += 80
    return np.clip(levels, 0, 255).astype(np.uint8)


def png(levels: np.ndarray[Any, Any]) -> bytes:
    written = io.BytesIO()
    Image.fromarray(levels).save(written, "PNG")
    return written.getvalue()


def ff_file(levels: np.ndarray[Any, Any]) -> bytes:
    """As RMS writes it: the greatest levels, their frames, means, deviations."""
    header = fits.Header({"NROWS": levels.shape[0], "NCOLS": levels.shape[1], "NFRAMES": 256,
                          "FPS": 25.0, "CAMNO": "US0001", "NBITS": 8})  # fmt: skip
    quiet = night_sky([])
    planes = {"MAXPIXEL": levels, "MAXFRAME": levels * 0, "AVEPIXEL": quiet, "STDPIXEL": quiet}
    units = [fits.ImageHDU(plane, name=name) for name, plane in planes.items()]
    written = io.BytesIO()
    fits.HDUList([fits.PrimaryHDU(header=header), *units]).writeto(written)
    return written.getvalue()


def package(folder: Path, code: str, **processors: str) -> Path:
    """A package with processors of its own (name of the entry point: class), installed."""
    folder.mkdir(parents=True)
    (folder / "others.py").write_text(code)
    info = folder / "others-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: others\nVersion: 1.0\n")
    lines = [f"{name} = others:{kind}" for name, kind in processors.items()]
    (info / "entry_points.txt").write_text("\n".join(["[gmn_pipeline.processors]", *lines]))
    return folder
