"""Many objects in one request, all of them named or none: as a form with files, or as a zip.

What belongs here: taking such a body apart. What does not: naming (`landing/objects.py`).
"""

import zipfile
import zlib
from contextlib import suppress
from pathlib import Path

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.responses import Response

from gmn_pipeline.errors import ObjectRefused
from gmn_pipeline.landing.objects import Staged
from gmn_pipeline.schemas.objects import Content, Description, ObjectName
from gmn_pipeline.serving.objects.incoming import check_place, description_in, pour
from gmn_pipeline.serving.objects.service import MB
from gmn_pipeline.serving.objects.told import told_object
from gmn_pipeline.serving.objects.visits import Visit, answered_json
from gmn_pipeline.serving.problems import Problem, bad_request
from gmn_pipeline.storage.contents import CHUNK_BYTES, HashingWriter

FORM, ZIP = "multipart/form-data", "application/zip"
_MOST_OBJECTS = 5_000


class Batch:
    """Files as they come out of a body, each staged under the name it is to have."""

    def __init__(self, visit: Visit, folder: Path, description: Description) -> None:
        self._project, self._container = visit.text("project"), visit.text("container")
        self._inside = visit.text("folder").strip("/")
        self._folder = folder
        self._description = description
        self._check_space = visit.service.check_space
        self._left_bytes = visit.service.settings.objects_batch_mb * MB
        self.staged: list[Staged] = []
        self._writer: HashingWriter | None = None
        self._name: ObjectName | None = None

    def begin(self, name: str) -> None:
        """The next file. Raises ObjectRefused for a name that is none, Problem (413)."""
        if len(self.staged) >= _MOST_OBJECTS:
            raise Problem(413, "too-many", f"A request has {_MOST_OBJECTS:,} objects at most.")
        self._check_space(0)
        whole = f"{self._inside}/{name}" if self._inside else name
        self._name = ObjectName(self._project, self._container, whole)
        self._writer = HashingWriter(self._folder / str(len(self.staged)))

    def write(self, piece: bytes) -> None:
        """More of it. Raises Problem (413): what is packed may become more than anybody has."""
        assert self._writer is not None
        self._left_bytes -= len(piece)
        if self._left_bytes < 0:
            raise Problem(413, "too-large", "These are too large to come in one request.")
        self._writer.write(piece)

    def end(self) -> None:
        """All of it was there."""
        assert self._writer is not None
        assert self._name is not None
        content: Content = self._writer.finish()
        path = self._folder / str(len(self.staged))
        self.staged.append(Staged(path, content, self._name, self._description))
        self._writer = None

    def close(self) -> None:
        """Leave an unfinished one."""
        if self._writer is not None:
            self._writer.close()


async def put_many(visit: Visit) -> Response:
    """Objects of a form or a zip, in a container or a folder of it."""
    given = visit.headers.get("content-type", "")
    kind = given.split(";")[0].strip().lower()
    if kind not in (FORM, ZIP):
        raise Problem(415, "not-this-kind", f"Content-Type is {FORM} or {ZIP}.")
    service, description = visit.service, description_in(visit.headers)
    place = ObjectName(visit.text("project"), visit.text("container"), "x")
    await service.run(lambda: check_place(service.lake.catalogue, place, description))
    landing = service.lake.landing
    async with service.within(landing.incoming()) as folder:
        batch = Batch(visit, folder, description)
        try:
            await (_take_form(visit, batch, given) if kind == FORM else
                   _take_zip(visit, batch, folder / "batch.zip"))  # fmt: skip
        finally:
            batch.close()
        if not batch.staged:
            raise bad_request("There is no file in it.")
        made = await service.run(lambda: landing.land(batch.staged, visit.by))
    return answered_json({"objects": [told_object(one) for one in made]}, 201)


async def _take_form(visit: Visit, batch: Batch, content_type: str) -> None:
    _, options = parse_options_header(content_type)
    if not options.get(b"boundary"):
        raise bad_request("Content-Type names no boundary.")
    form = _Form(batch)
    parser = MultipartParser(options[b"boundary"], form.callbacks())  # type: ignore[arg-type]
    most = visit.service.settings.objects_batch_mb * MB
    try:
        await pour(visit, parser.write, most)
        parser.finalize()
    except FormParserError as error:
        raise bad_request("The form cannot be read.") from error
    if not form.is_whole:
        raise bad_request("The form breaks off.")


class _Form:
    """What a parser of forms calls: parts with a file's name are files, others are passed over."""

    def __init__(self, batch: Batch) -> None:
        self._batch = batch
        self._field, self._value = b"", b""
        self._headers: dict[bytes, bytes] = {}
        self._is_file = False
        self.is_whole = False

    def callbacks(self) -> dict[str, object]:
        names = ("part_begin", "part_data", "part_end", "header_field", "header_value",
                 "header_end", "headers_finished", "end")  # fmt: skip
        return {f"on_{name}": getattr(self, name) for name in names}

    def part_begin(self) -> None:
        self._headers = {}

    def header_field(self, data: bytes, start: int, end: int) -> None:
        self._field += data[start:end]

    def header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def header_end(self) -> None:
        self._headers[self._field.lower()] = self._value
        self._field, self._value = b"", b""

    def headers_finished(self) -> None:
        _, options = parse_options_header(self._headers.get(b"content-disposition", b""))
        name = options.get(b"filename")
        self._is_file = bool(name)
        if name:
            try:
                self._batch.begin(name.decode())
            except UnicodeDecodeError:
                raise bad_request("The name of a file is not in UTF-8.") from None

    def part_data(self, data: bytes, start: int, end: int) -> None:
        if self._is_file:
            self._batch.write(data[start:end])

    def part_end(self) -> None:
        if self._is_file:
            self._batch.end()

    def end(self) -> None:
        self.is_whole = True


async def _take_zip(visit: Visit, batch: Batch, path: Path) -> None:
    most = visit.service.settings.objects_batch_mb * MB
    with path.open("xb") as file:
        await pour(visit, file.write, most)
    await visit.service.run(lambda: _unpack(path, batch))
    path.unlink()


def _unpack(path: Path, batch: Batch) -> None:
    try:
        with zipfile.ZipFile(path) as archive:
            for entry in archive.infolist():
                if entry.is_dir():
                    continue
                batch.begin(entry.filename)
                with archive.open(entry) as file:
                    while piece := file.read(CHUNK_BYTES):
                        batch.write(piece)
                batch.end()
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError) as error:
        with suppress(OSError):
            path.unlink()
        raise ObjectRefused(f"The zip cannot be read: {str(error)[:200]}.") from error
