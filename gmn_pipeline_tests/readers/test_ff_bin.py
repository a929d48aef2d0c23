"""FF files of CAMS, `FF*.bin`: what is one, and what is cut off, garbage or too large."""

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gmn_pipeline.errors import ObjectRefused
from gmn_pipeline.readers.content_types import content_type
from gmn_pipeline.readers.ff_bin import MEDIA_TYPE, PLANES, header_of, read_header

NAME = "FF_000459_20160406_081210_123_0000256.bin"


def ff_bin(planes: np.ndarray, *, is_old: bool = False) -> bytes:
    """Planes (four, rows first) as a file."""
    _, rows, columns = planes.shape
    if is_old:
        header = np.array([rows, columns, 8, 256, 459], dtype="<i4")
    else:
        header = np.array([-1, rows, columns, 256, 1024, 459, 1, 0, 29_970], dtype="<i4")
    return header.tobytes() + planes.astype(np.uint8).tobytes()


@pytest.mark.parametrize("is_old", [False, True])
def test_planes_come_out_as_they_went_in(tmp_path: Path, is_old: bool) -> None:
    planes = np.random.default_rng(1).integers(0, 256, (4, 48, 64))
    path = tmp_path / NAME
    data = ff_bin(planes, is_old=is_old)
    path.write_bytes(data)
    header = read_header(path)
    assert (header.height_px, header.width_px, header.frame_count) == (48, 64, 256)
    assert (header.camera_number, header.frame_rate_hz) == (459, None if is_old else 29.97)
    for number, name in enumerate(PLANES):
        np.testing.assert_array_equal(header.plane(path, name), planes[number])
    assert content_type(data[:8_192], f"2016/{NAME}") == MEDIA_TYPE
    assert content_type(data[:8_192], "other.bin") != MEDIA_TYPE  # its numbers say too little
    assert content_type(b"\x89PNG\r\n\x1a\n" + data, NAME) == "image/png"
    path.write_bytes(data[:-1])
    with pytest.raises(ObjectRefused, match="ends within its plane stdpixel"):
        header.plane(path, "stdpixel")


@given(st.binary(max_size=80) | st.builds(
    lambda numbers: np.array(numbers, dtype="<u4").tobytes(),
    st.lists(st.sampled_from([0, 1, 8, 17, 720, 2**31, 2**32 - 1]), min_size=9, max_size=12),
))  # fmt: skip
def test_whatever_bytes_there_are_they_are_planes_or_refused(data: bytes) -> None:
    try:
        header = header_of(data)
    except ObjectRefused:
        return
    assert 0 < header.plane_bytes <= 10**10
    with TemporaryDirectory() as folder:
        path = Path(folder) / NAME
        path.write_bytes(data)
        if header.offset + header.plane_bytes > len(data):
            with pytest.raises(ObjectRefused):
                header.plane(path, "maxpixel")
        else:
            assert header.plane(path, "maxpixel").size == header.plane_bytes
