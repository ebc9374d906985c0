"""Recordings with peculiarities that other tests do not need: turned, coloured, damaged."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.video.reformatter import ColorRange, Colorspace, VideoReformatter

from tests.camera_adapters.clips import Image

FPS = 10


def write_images(
    path: Path,
    images: list[Image],
    *,
    codec: str = "libx264",
    pix_fmt: str = "yuv420p",
    turn: int | None = None,
    matrix: Sequence[int] | None = None,
    pixel_aspect: Fraction | None = None,
    colorspace: Colorspace = Colorspace.ITU601,
    color_range: ColorRange = ColorRange.MPEG,
    tagged: bool = True,
) -> Path:
    """Encodes (H, W, 3) RGB images.

    `turn` is what the recording says of itself: degrees, counter-clockwise, to make it upright;
    `matrix` is the same as a b c d of a display matrix; `pixel_aspect` is the shape of its pixels.
    `colorspace` and `color_range` are what it is encoded in; it says so only if `tagged`.
    """
    height, width = images[0].shape[:2]
    options = {"libx264": {"preset": "ultrafast", "crf": "4", "bf": "0"}}.get(codec, {})
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=FPS, options=options)
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = width, height, pix_fmt
        if tagged:
            stream.codec_context.colorspace = colorspace
            stream.codec_context.color_range = color_range
        if turn is not None:
            stream.set_display_rotation(turn)
        if matrix is not None:
            a, b, c, d = (one << 16 for one in matrix)
            stream.set_display_matrix([a, b, 0, c, d, 0, 0, 0, 1 << 30])
        if pixel_aspect is not None:
            stream.codec_context.sample_aspect_ratio = pixel_aspect
        scaler = VideoReformatter()
        for number, image in enumerate(images):
            frame = scaler.reformat(
                av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24"),
                format=pix_fmt,
                dst_colorspace=colorspace,
                dst_color_range=color_range,
            )
            frame.pts, frame.time_base = number, Fraction(1, FPS)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def damage_image(path: Path, number: int) -> None:
    """Flips bits all over the coded image `number` of a recording without B-frames, in place."""
    with av.open(str(path)) as container:
        packet = [p for p in container.demux(video=0) if p.size][number]
        start, size = packet.pos, packet.size
    assert start is not None
    content = bytearray(path.read_bytes())
    for at in range(start + 12, start + size, 5):
        content[at] ^= 0x5A
    path.write_bytes(content)


def write_times(
    path: Path,
    times_s: Sequence[float],
    *,
    rate: int = FPS,
    codec: str = "libx264",
    b_frames: int = 0,
    format_: str | None = None,
    options: dict[str, str] | None = None,
) -> Path:
    """Encodes small images with a stamp each.

    Stamps are in milliseconds, or in steps of the rate where the container has none. `rate` is what
    the header says; `options` are those of the container.
    """
    base = Fraction(1, rate) if path.suffix in (".avi", ".h264") else Fraction(1, 1000)
    coding = {"bf": str(b_frames)} | ({"preset": "ultrafast"} if codec == "libx264" else {})
    with av.open(str(path), "w", format=format_, options=options or {}) as container:
        stream = container.add_stream(codec, rate=rate, options=coding)
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt, stream.gop_size = 64, 48, "yuv420p", 20
        stream.codec_context.time_base = base
        for number, time_s in enumerate(times_s):
            image = np.full((48, 64, 3), 90, np.uint8)
            image[:, number % 48 : number % 48 + 16] = 220
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts, frame.time_base = round(Fraction(time_s) / base), base
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path
