"""Videos: how long, how large, how fast, and some of their frames, by PyAV where it is installed.

What belongs here: facts and previews. What does not: finding meteors in frames. The extra
`[objects]` installs PyAV, which brings FFmpeg's libraries along.

Files are of strangers: the demuxer is the one of the type that the bytes have, never one that
FFmpeg guesses (a playlist would have it read other files), frames are decoded by one thread, and no
more are decoded than are wanted.
"""

from importlib.util import find_spec
from typing import Any

from gmn_pipeline.errors import ObjectRefused
from gmn_pipeline.processing.processor import Found, Made, Outcome, Task

_DEMUXERS = {
    "video/mp4": "mov", "video/quicktime": "mov", "video/webm": "matroska",
    "video/x-matroska": "matroska", "video/x-msvideo": "avi",
}  # fmt: skip
CONTENT_TYPES = tuple(_DEMUXERS) if find_spec("av") else ()
_FRAMES_AT = (0.02, 0.35, 0.65, 0.95)
"""Of the whole; the first of them is the video's preview."""
_PREVIEW_PX = 512
_PREVIEW_QUALITY = 85
_MOST_DECODED = 600  # until a frame of the wanted time comes


class Videos:
    """See above."""

    name = "videos"
    version = 1
    content_types = CONTENT_TYPES

    def process(self, task: Task) -> Outcome:
        """Facts, and some frames as pictures."""
        import av  # half a second, and few objects are videos

        kind = task.stored.description.content_type
        # A protocol before it, so that no name of a file is taken for an address.
        with av.open(
            f"file:{task.path}", format=_DEMUXERS[kind], metadata_errors="replace"
        ) as film:
            if not film.streams.video:
                raise ObjectRefused("It has no images.")
            stream = film.streams.video[0]
            _check_size(stream.width, stream.height, task)
            stream.codec_context.thread_count = 1
            facts = _facts(film, stream)
            made = list(_previews(film, stream, facts.get("duration_s"), task))
        if not made:
            raise ObjectRefused("None of its frames can be decoded.")
        return Outcome(made=made, found=Found(metadata=facts))


def _check_size(width_px: int, height_px: int, task: Task) -> None:
    if not 0 < width_px * height_px <= task.max_pixels:
        raise ObjectRefused(
            f"Its frames have {width_px:,} by {height_px:,} pixels; those of 1 to "
            f"{task.max_pixels:,} pixels are looked at (GMN_OBJECTS_PROCESS_MEGAPIXELS)."
        )


def _facts(film: Any, stream: Any) -> dict[str, Any]:
    """What the container says, as far as it does."""
    rate = stream.average_rate or stream.guessed_rate
    facts: dict[str, Any] = {
        "format": film.format.name, "codec": stream.codec_context.name,
        "width_px": stream.width, "height_px": stream.height,
    }  # fmt: skip
    if film.duration and film.duration > 0:
        facts["duration_s"] = round(film.duration / 1_000_000, 3)
    if rate:
        facts["frame_rate_hz"] = round(float(rate), 4)
    if stream.frames > 0:
        facts["frames"] = stream.frames
    if film.streams.audio:
        facts["has_sound"] = True
    return facts


def _previews(film: Any, stream: Any, duration_s: float | None, task: Task) -> Any:
    """Frames of some times; of a film of unknown length, or that cannot be searched, the first."""
    seen: set[int] = set()
    for number, part in enumerate(_FRAMES_AT):
        frame = _frame(film, stream, (duration_s or 0.0) * part)
        if frame is None or (frame.pts or 0) in seen:
            continue
        seen.add(frame.pts or 0)
        _check_size(frame.width, frame.height, task)  # a stream may change it on the way
        picture = frame.to_image()
        picture.thumbnail((_PREVIEW_PX, _PREVIEW_PX))
        path = task.folder / f"frame-{number}.jpg"
        picture.save(path, "JPEG", quality=_PREVIEW_QUALITY)
        name = task.stored.name.name
        yield Made(
            f"previews/{name}.jpg" if len(seen) == 1 else f"previews/{name}.{number}.jpg", path
        )


def _frame(film: Any, stream: Any, at_s: float) -> Any:
    """The first frame that is not before a time, or the last that there is."""
    import av

    found = None
    try:
        film.seek(int(at_s * 1_000_000))
        for number, frame in enumerate(film.decode(stream)):
            found = frame
            if number >= _MOST_DECODED or frame.time is None or frame.time >= at_s:
                break
    except av.FFmpegError:
        return found  # what was decoded before it broke
    return found
