"""No camera makes us take memory for images larger than allowed, however it announces them."""

from __future__ import annotations

import contextlib
import os
import struct
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from camera_adapters.announced_size import MAX_SETS, UnreadableSetError, announced_sizes
from camera_adapters.conversion import VideoImage
from camera_adapters.decoding import MOST_OVERSIZED, TrackDecoder
from camera_adapters.errors import UnreadableFault
from camera_adapters.geometry import Size
from camera_adapters.rtp import CodedImage
from camera_adapters.sdp import VideoCodec, VideoTrack
from camera_adapters.source import StreamSignal
from camera_adapters.spec import CameraSpec
from simulation.rtsp_server.clip import Clip, load_clip
from tests.camera_adapters.clips import write_clip
from tests.camera_adapters.parameter_sets import h264_sps, h265_sps
from tests.processes import peak_mib, reset_peak

H264, H265 = VideoCodec.H264, VideoCodec.H265
CODE = b"\0\0\0\1"
HUGE = (16384, 16384)
SMALL = (320, 192)
FOUR_K = 3840 * 2160
GROWTH_MIB = 24
SPS = {H264: h264_sps, H265: h265_sps}
ENCODERS = {H264: "libx264", H265: "libx265"}


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> dict[VideoCodec, Clip]:
    folder = tmp_path_factory.mktemp("clips")
    made = {}
    for codec, encoder in ENCODERS.items():
        clip = write_clip(folder / f"{codec}.mp4", width=320, height=192, codec=encoder, frames=6)
        made[codec] = load_clip(clip.path)
    return made


def access_unit(clip: Clip, sps: bytes) -> bytes:
    """The first image of a clip behind another SPS."""
    *before, _, pps = clip.parameter_sets
    return b"".join(CODE + one for one in (*before, sps, pps, *clip.units[0].nals))


def decoder(codec: VideoCodec, max_pixels: int, sets: bytes = b"") -> TrackDecoder:
    spec = CameraSpec("gate", "rtsp://unused/", max_pixels=max_pixels)
    return TrackDecoder(spec, VideoTrack(codec, 96, "", sets))


def decode(decoder: TrackDecoder, data: bytes) -> tuple[list[VideoImage | StreamSignal], float]:
    """What comes of an access unit, and how many MiB it needed at its worst."""
    before = reset_peak(os.getpid())
    found = decoder.decode(CodedImage(bytearray(data), 0, True, False))
    return found, peak_mib(os.getpid()) - before


def growth(codec: VideoCodec, max_pixels: int, data: bytes) -> float:
    return decode(decoder(codec, max_pixels), data)[1]


def growth_in_a_new_process(codec: VideoCodec, max_pixels: int, data: bytes) -> float:
    """MiB; this process may have memory left that other tests gave back."""
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        return pool.submit(growth, codec, max_pixels, data).result()


@pytest.mark.parametrize("shown", [None, SMALL], ids=["whole", "cropped"])
@pytest.mark.parametrize("codec", [H264, H265])
def test_an_image_of_16k_costs_no_memory_and_is_named(clips, codec, shown):
    unit = access_unit(clips[codec], SPS[codec](*HUGE, shown))
    camera = decoder(codec, FOUR_K)
    for _ in range(MOST_OVERSIZED):
        found, grown = decode(camera, unit)
        assert found == [StreamSignal.DAMAGED], "it may be damage"
        assert grown < GROWTH_MIB
    with pytest.raises(UnreadableFault, match=r"16384 x 16384 pixels, more than the 8294400 of"):
        decode(camera, unit)
    with pytest.raises(UnreadableFault, match="max_pixels"):
        decoder(codec, FOUR_K, CODE + SPS[codec](*HUGE, shown))


@pytest.mark.parametrize("codec", [H264, H265])
def test_without_the_limit_the_memory_would_be_taken(clips, codec):
    """So that the test before it can fail."""
    unit = access_unit(clips[codec], SPS[codec](4096, 4096, SMALL))
    assert growth_in_a_new_process(codec, 4096 * 4096, unit) > GROWTH_MIB
    assert growth_in_a_new_process(codec, 4096 * 4096 - 1, unit) < GROWTH_MIB


@pytest.mark.parametrize("codec", [H264, H265])
def test_what_is_within_the_limit_is_decoded_after_what_was_not(clips, codec):
    clip = clips[codec]
    camera = decoder(codec, SMALL[0] * SMALL[1])
    good = b"".join(CODE + one for one in (*clip.parameter_sets, *clip.units[0].nals))
    for _ in range(MOST_OVERSIZED + 1):
        assert decode(camera, access_unit(clip, SPS[codec](*HUGE)))[0] == [StreamSignal.DAMAGED]
        (image,), _ = decode(camera, good)
        assert isinstance(image, VideoImage)


@pytest.mark.parametrize(
    ("codec", "options", "size", "coded"),
    [
        (H264, {}, (320, 180), (320, 192)),
        (H264, {"preset": "medium", "bf": "2"}, (320, 180), (320, 192)),
        (H264, {"x264-params": "interlaced=1:cqm=jvt"}, (320, 180), (320, 192)),
        (H264, {"profile": "high422"}, (1280, 720), (1280, 720)),
        (H265, {}, (320, 180), (320, 192)),
        (H265, {"preset": "medium"}, (200, 104), (200, 104)),
    ],
)
def test_what_encoders_announce_is_understood(tmp_path: Path, codec, options, size, coded):
    clip = write_clip(
        tmp_path / "clip.mp4",
        width=size[0],
        height=size[1],
        codec=ENCODERS[codec],
        frames=3,
        options=options,
    )
    loaded = load_clip(clip.path)
    data = b"".join(CODE + one for one in (*loaded.parameter_sets, *loaded.units[0].nals))
    assert set(announced_sizes(data, codec)) == {Size(*coded)}


@pytest.mark.parametrize(("codec", "unit"), [(H264, b"\x06\x05"), (H265, b"\x4e\x01")])
def test_one_that_is_hidden_in_another_unit_is_found(codec, unit):
    data = CODE + unit + b"\x80 text" + b"\0\0\1" + SPS[codec](*HUGE) + b"\0\0\1\x09"
    assert list(announced_sizes(data, codec)) == [Size(*HUGE)]


def test_sub_layers_of_h265_are_left_out():
    for layers in range(7):
        data = CODE + h265_sps(1920, 1088, sub_layers=layers)
        assert list(announced_sizes(data, H265)) == [Size(1920, 1088)]


@pytest.mark.parametrize(
    ("codec", "data"),
    [
        (H264, CODE + b"\x67"),
        (H264, CODE + b"\x67\x8a" + h264_sps(64, 64)[2:]),
        (H264, CODE + h264_sps(64, 64)[:-3]),
        (H264, (CODE + h264_sps(64, 64)) * (MAX_SETS + 1)),
        (H265, CODE + b"\x42"),
        (H265, CODE + b"\x42\x09" + h265_sps(64, 64)[2:]),
        (H265, CODE + h265_sps(64, 64)[:16]),
        (H265, CODE + h265_sps(0, 64)),
    ],
)
def test_one_that_is_not_understood_is_not_decoded(codec, data):
    with pytest.raises(UnreadableSetError):
        list(announced_sizes(data, codec))
    assert decode(decoder(codec, FOUR_K), data)[0] == [StreamSignal.DAMAGED]
    assert decoder(codec, FOUR_K, data), "the description may be wrong, and the stream right"


@given(st.binary(max_size=200), st.sampled_from([H264, H265]))
def test_nothing_that_comes_breaks_it(data, codec):
    marked = data.replace(b"a", CODE + b"\x67").replace(b"b", CODE + b"\x42\x01")
    with contextlib.suppress(UnreadableSetError):
        assert all(size.width > 0 for size in announced_sizes(marked, codec))


def jpeg(size: int, claimed: int) -> bytes:
    """A square JPEG file that claims to be of another size."""
    _, data = cv2.imencode(".jpg", np.full((size, size, 3), 90, np.uint8))
    encoded = bytes(data)
    at = encoded.index(b"\xff\xc0") + 5
    return encoded[:at] + struct.pack(">HH", claimed, claimed) + encoded[at + 4 :]


def test_a_jpeg_image_of_16k_costs_no_memory():
    hidden = jpeg(64, 64)[:-2] + jpeg(4096, 16384)
    for data in (jpeg(4096, 16384), hidden, jpeg(64, 16384)):
        found, grown = decode(decoder(VideoCodec.JPEG, FOUR_K), data)
        assert all(isinstance(one, StreamSignal) or one.size == Size(64, 64) for one in found)
        assert grown < GROWTH_MIB


def test_a_jpeg_image_is_decoded_up_to_the_limit():
    """So that the test before it can fail."""
    for less, kind in ((0, VideoImage), (1, StreamSignal)):
        (one,), _ = decode(decoder(VideoCodec.JPEG, 1024 * 1024 - less), jpeg(1024, 1024))
        assert isinstance(one, kind)
