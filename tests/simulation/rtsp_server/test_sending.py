"""What the server says about the frames that it sends, and where in the clip a camera starts."""

from __future__ import annotations

import time

import pytest

from simulation.rtsp_server.clip import load_clip
from simulation.rtsp_server.mount import Mount
from simulation.rtsp_server.thread import RtspServerThread
from simulation.rtsp_server.timeline import Timeline
from tests.camera_adapters.clips import TinyClip
from tests.simulation.rtsp_server.client import RawClient

pytestmark = pytest.mark.integration


def test_every_frame_is_noted_before_its_first_byte_is_there(fast_clip: TinyClip) -> None:
    noted: list[tuple[str, int, float]] = []
    arrived: list[float] = []
    started_s = time.monotonic()
    with (
        RtspServerThread(
            [Mount("cam", fast_clip.path)], on_frame=lambda *frame: noted.append(frame)
        ) as server,
        RawClient(server.port) as client,
    ):
        client.setup("RTP/AVP/TCP;unicast;interleaved=0-1")
        client.ask("PLAY")
        timestamp = None
        for channel, packet in client.stream():
            if channel == 0 and packet[4:8] != timestamp:
                timestamp = packet[4:8]
                arrived.append(time.monotonic())
            if len(arrived) > 2 * fast_clip.frames:
                break
    assert {path for path, _, _ in noted} == {"cam"}
    numbers = [number for _, number, _ in noted]
    # Over two seams of the loop, without a gap.
    assert numbers == [index % fast_clip.frames for index in range(len(noted))]
    sent = [sent_s for _, _, sent_s in noted]
    assert sent == sorted(sent)
    assert all(started_s < one <= there for one, there in zip(sent, arrived, strict=False))


def test_a_phase_moves_a_clock_on_the_wall_and_no_other(fast_clip: TinyClip) -> None:
    first: dict[str, int] = {}

    def note(path: str, number: int, _sent_s: float) -> None:
        first.setdefault(path, number)

    clip = load_clip(fast_clip.path)
    assert clip.duration_s == pytest.approx(0.72)
    half_s = clip.duration_s / 2
    mounts = [
        Mount("wall", fast_clip.path, start="server", phase_s=1000 * clip.duration_s + half_s),
        Mount("viewer", fast_clip.path, phase_s=half_s),
    ]
    started_s = time.monotonic()
    with RtspServerThread(mounts, on_frame=note) as server:
        for mount in mounts:
            with RawClient(server.port, mount.path) as client:
                client.setup("RTP/AVP/TCP;unicast;interleaved=0-1")
                client.ask("PLAY")
                next(item for item in client.stream() if item[0] == 0)
            if mount.path == "wall":
                late_s = time.monotonic() - started_s
    assert first["viewer"] == 0
    expected = Timeline(clip, 0.0, 0)
    earliest, latest = expected.first_due(half_s), expected.first_due(half_s + late_s)
    assert first["wall"] in {number % fast_clip.frames for number in range(earliest, latest + 1)}
