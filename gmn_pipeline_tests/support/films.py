"""Films to be looked at."""

import io

import av
import numpy as np


def film(form: str, codec: str, frames: int = 60) -> bytes:
    """A film of 320 by 240 pixels, 30 frames a second, that becomes brighter."""
    written = io.BytesIO()
    with av.open(written, "w", format=form) as container:
        stream = container.add_stream(codec, rate=30)
        stream.width, stream.height = 320, 240
        stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        for n in range(frames):
            levels = np.full((240, 320, 3), n * 4, dtype=np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(levels, format="rgb24")))
        container.mux(stream.encode())
    return written.getvalue()
