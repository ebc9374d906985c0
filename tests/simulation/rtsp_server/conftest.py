"""Fixtures of the RTSP server's tests: a fast clip, and a server that plays it."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

import pytest

from simulation.rtsp_server.mount import Mount, ServerLimits
from simulation.rtsp_server.thread import RtspServerThread
from tests.camera_adapters.clips import TinyClip, write_clip

PASSWORD = "not-for-logs"


@pytest.fixture(scope="session")
def fast_clip(tmp_path_factory: pytest.TempPathFactory) -> TinyClip:
    """36 numbered frames at 50 fps, a key frame every 12: a round takes 0.72 s."""
    return write_clip(tmp_path_factory.mktemp("fast") / "fast.mp4", fps=Fraction(50))


@pytest.fixture
def server(fast_clip: TinyClip) -> Iterator[RtspServerThread]:
    """A server with the clip at `cam`, and behind logins at `basic` and `digest`."""
    users = {"viewer": PASSWORD}
    mounts = [
        Mount("cam", fast_clip.path),
        Mount("basic", fast_clip.path, users, "basic"),
        Mount("digest", fast_clip.path, users, "digest"),
    ]
    with RtspServerThread(
        mounts, limits=ServerLimits(connections=8, message_timeout_s=0.3)
    ) as running:
        yield running


@pytest.fixture
def impatient(fast_clip: TinyClip) -> Iterator[RtspServerThread]:
    """A server that gives up on silent clients after a second, and reports every 0.4 s."""
    limits = ServerLimits(session_timeout_s=1.0, idle_timeout_s=1.0)
    mount = Mount("cam", fast_clip.path, report_period_s=0.4)
    with RtspServerThread([mount], limits=limits) as running:
        yield running
