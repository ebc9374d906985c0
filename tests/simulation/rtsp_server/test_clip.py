"""Loading clips: what the encoder wrote comes out, and what cannot be served says why."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import pytest

from simulation.rtsp_server.clip import carries_parameter_sets, load_clip, nal_type
from simulation.rtsp_server.errors import ClipError
from simulation.rtsp_server.sdp import describe
from tests.camera_adapters.clips import TinyClip, paint, write_clip


def test_a_clip_keeps_the_encoders_frames_and_times(tiny_clip: TinyClip) -> None:
    clip = load_clip(tiny_clip.path)
    assert clip.codec == "h264"
    assert clip.fps == 12.5
    assert [unit.shown_ticks for unit in clip.units] == [n * 7200 for n in range(36)]
    assert [n for n, unit in enumerate(clip.units) if unit.key] == [0, 12, 24]
    assert clip.duration_ticks == 36 * 7200
    assert clip.reorder_ticks == 0
    assert [nal_type("h264", nal) for nal in clip.parameter_sets] == [7, 8]
    with av.open(str(tiny_clip.path)) as container:
        sizes = [packet.size for packet in container.demux(video=0) if packet.size]
    # Four bytes of length before each NAL unit.
    assert [unit.size_bytes + 4 * len(unit.nals) for unit in clip.units] == sizes


def test_h265_parameter_sets_come_in_order(tmp_path: Path) -> None:
    clip = load_clip(write_clip(tmp_path / "c.mp4", frames=3, codec="libx265").path)
    assert [nal_type("h265", nal) for nal in clip.parameter_sets] == [32, 33, 34]
    sdp = describe(clip, name="c", session=1, host="::1")
    assert "a=rtpmap:96 H265/90000" in sdp
    assert all(f"sprop-{name}=" in sdp for name in ("vps", "sps", "pps"))
    assert "IN IP6 ::1" in sdp
    assert not carries_parameter_sets("h265", clip.units[1].nals)


def test_ntsc_rates_and_matroska(tmp_path: Path) -> None:
    written = write_clip(tmp_path / "c.mkv", fps=Fraction(30000, 1001), frames=30)
    clip = load_clip(written.path)
    # Matroska rounds to milliseconds; the clip as a whole must not.
    assert abs(clip.duration_ticks - 30 * 3003) <= 180
    assert "a=framerate:29.97" in describe(clip, name="c", session=1, host="127.0.0.1")


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(ClipError, match="No such file"):
        load_clip(tmp_path / "absent.mp4")


def test_a_file_that_is_no_video(tmp_path: Path) -> None:
    path = tmp_path / "text.mp4"
    path.write_text("not a video" * 100)
    with pytest.raises(ClipError, match="Invalid data"):
        load_clip(path)


def test_another_codec(tmp_path: Path) -> None:
    path = tmp_path / "c.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
        container.mux(stream.encode(av.VideoFrame.from_ndarray(paint(0, 64, 64), format="rgb24")))
        container.mux(stream.encode(None))
    with pytest.raises(ClipError, match=r"mpeg4 is not H\.264 or H\.265"):
        load_clip(path)


def test_another_container(tmp_path: Path, tiny_clip: TinyClip) -> None:
    path = tmp_path / "c.ts"
    with av.open(str(tiny_clip.path)) as source, av.open(str(path), "w") as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.size:
                packet.stream = stream
                target.mux(packet)
    with pytest.raises(ClipError, match="remux into MP4"):
        load_clip(path)


def test_a_clip_of_one_frame_loops_at_its_rate(tmp_path: Path) -> None:
    clip = load_clip(write_clip(tmp_path / "c.mp4", frames=1).path)
    assert clip.duration_ticks == 7200
