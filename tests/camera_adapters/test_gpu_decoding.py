"""Decoding on a GPU: refused in plain words without one, never done by the processor instead."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from itertools import islice
from pathlib import Path

import av
import av.error
import numpy as np
import pytest

from camera_adapters import conversion, gpu_decoding
from camera_adapters.conversion import VideoImage
from camera_adapters.decoding import VideoDecoder
from camera_adapters.errors import UnreadableFault
from camera_adapters.factory import open_source
from camera_adapters.geometry import Size, ViewSpec
from camera_adapters.gpu_decoding import GpuStream, gpu_streams
from camera_adapters.source import StreamSignal
from simulation.rtsp_server.mount import Mount
from simulation.rtsp_server.thread import RtspServerThread
from tests.camera_adapters.clips import write_clip
from tests.camera_adapters.readers import camera

VIEW = ViewSpec(Size(160, 96))


def on_gpu(source: str):
    return replace(camera(source), decoder="cuda")


def gpu_at_hand() -> bool:
    try:
        GpuStream(camera(""), "h264")
    except UnreadableFault:
        return False
    return True


HAS_GPU = gpu_at_hand()


@pytest.fixture(scope="module")
def clip(tmp_path_factory) -> Path:
    return write_clip(tmp_path_factory.mktemp("clips") / "clip.mp4", frames=14).path


@pytest.mark.skipif(HAS_GPU, reason="there is a GPU")
def test_a_recording_is_refused_without_a_gpu(clip):
    with pytest.raises(UnreadableFault) as caught:
        open_source(on_gpu(str(clip)))
    assert str(caught.value).startswith("camera gate-1: its h264 video cannot be decoded on a GPU")
    assert "write `decoder: cpu`" in str(caught.value)
    assert caught.value.__context__ is None
    assert gpu_streams() == 0


@pytest.fixture
def lent(monkeypatch):
    """The decoder of the processor in place of a GPU's, and NV12 in place of a GPU's memory."""
    asked = []

    class Codecs:
        @staticmethod
        def create(codec, mode, hwaccel=None):
            asked.append((codec, hwaccel))
            return av.CodecContext.create(codec, mode)

    class Library:
        CodecContext = Codecs
        FFmpegError = av.FFmpegError

    monkeypatch.setattr(gpu_decoding, "av", Library)
    monkeypatch.setattr(gpu_decoding, "HWAccel", lambda *where, **how: (where, how))
    return asked


def images(spec, pixels=lambda image: image.views([VIEW])[VIEW].image):
    source = open_source(spec)
    found = [pixels(one) for one in source.arrivals() if isinstance(one, VideoImage)]
    held = gpu_streams()
    source.close()
    return found, held


def test_a_recording_is_decoded_by_the_gpu_s_decoder_and_counted(clip, lent):
    there, held = images(on_gpu(str(clip)))
    here, none_held = images(camera(str(clip)))
    np.testing.assert_array_equal(there, here)
    assert len(there) == 14
    assert (held, none_held, gpu_streams()) == (1, 0, 0)
    ((codec, (_, how)), *_) = lent
    assert codec == "h264"
    assert how == {"allow_software_fallback": False, "is_hw_owned": True}


@pytest.fixture(scope="module")
def stream(clip):
    with RtspServerThread([Mount("gate", clip)]) as server:
        yield server.url("gate")


@pytest.mark.integration
def test_a_stream_is_decoded_by_the_gpu_s_decoder_and_counted(stream, lent):
    source = open_source(on_gpu(stream))
    image = next(one for one in source.arrivals() if isinstance(one, VideoImage))
    assert image.rgb().shape == (180, 320, 3)
    assert gpu_streams() == 1
    source.close()
    del source
    assert gpu_streams() == 0
    assert [codec for codec, _ in lent] == ["h264"]


@pytest.mark.integration
@pytest.mark.skipif(HAS_GPU, reason="there is a GPU")
def test_a_stream_is_refused_without_a_gpu(stream):
    with pytest.raises(UnreadableFault, match="cannot be decoded on a GPU here"):
        open_source(on_gpu(stream))


def nv12():
    rng = np.random.default_rng(0)
    planes = rng.integers(30, 200, (96, 160), np.uint8)
    return av.VideoFrame.from_ndarray(np.vstack([planes, planes[:48]]), format="nv12")


def test_an_image_is_fetched_once_and_is_what_it_was(monkeypatch):
    plain = VideoImage("gate-1", nv12())
    fetched = VideoImage("gate-1", nv12())
    monkeypatch.setattr(conversion, "GPU_FORMAT", "nv12")
    assert fetched.pixel_format == "nv12"
    seen = fetched.fingerprint()
    assert fetched.pixel_format == "yuv420p"
    fetched = VideoImage("gate-1", nv12())
    luma = fetched.luma(Size(80, 48))
    assert fetched.pixel_format == "yuv420p"
    assert seen == fetched.fingerprint()
    monkeypatch.setattr(conversion, "GPU_FORMAT", "none")
    assert seen == plain.fingerprint()
    np.testing.assert_array_equal(luma, plain.luma(Size(80, 48)))
    assert np.abs(fetched.rgb().astype(int) - plain.rgb()).mean() < 1.0


class Refusing:
    """A GPU's decoder that does not take what it is given."""

    width = height = flags = 0
    sample_aspect_ratio = None

    def open(self):
        pass

    def decode(self, packet):
        raise av.error.InvalidDataError(1, "Invalid data found")


def test_video_that_the_gpu_refuses_is_a_fault_and_not_damage(lent):
    decoder = VideoDecoder(camera(""), Refusing(), gpu=GpuStream(camera(""), "h264"))
    packet = av.Packet(8)
    assert decoder.decode(packet) == [StreamSignal.DAMAGED]
    packet.is_keyframe = True
    for _ in range(gpu_decoding.MOST_REFUSED):
        assert decoder.decode(packet) == [StreamSignal.DAMAGED]
        assert decoder.decode(packet, damaged=True) == [StreamSignal.DAMAGED]
    with pytest.raises(UnreadableFault, match=r"the GPU refuses its h264 video; .*decoder: cpu"):
        decoder.decode(packet)


@pytest.mark.integration
def test_a_stream_that_the_gpu_refuses_is_a_fault_soon(tmp_path, lent, monkeypatch):
    clip = write_clip(tmp_path / "key-frames.mp4", frames=12, gop=1, fps=Fraction(25)).path
    monkeypatch.setattr(gpu_decoding.av.CodecContext, "create", lambda *_, **__: Refusing())
    with RtspServerThread([Mount("gate", clip)]) as server:
        source = open_source(on_gpu(server.url("gate")))
        with pytest.raises(UnreadableFault, match="the GPU refuses its h264 video"):
            list(islice(source.arrivals(), 50))
        source.close()


@pytest.mark.gpu
@pytest.mark.skipif(not HAS_GPU, reason="no GPU")
@pytest.mark.parametrize("codec", ["libx264", "libx265"])
def test_a_gpu_gives_the_same_images(tmp_path, codec):
    clip = write_clip(tmp_path / "clip.mp4", frames=30, width=640, height=360, codec=codec)
    there, held = images(on_gpu(str(clip.path)), VideoImage.rgb)
    here, _ = images(camera(str(clip.path)), VideoImage.rgb)
    assert held == 1
    np.testing.assert_array_equal(there, here)
    scaled, _ = images(on_gpu(str(clip.path)))
    by_processor, _ = images(camera(str(clip.path)))
    assert np.abs(np.array(scaled, int) - by_processor).mean() < 0.6
