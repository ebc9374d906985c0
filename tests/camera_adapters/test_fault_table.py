"""The faults of cameras, measured with the product's own times: said, healed, and at what cost.

Each row is one camera that misbehaves beside one that does not, in one process. `pytest -s` shows
the table.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from camera_adapters.backoff import RetryDelays
from camera_adapters.spec import CameraSpec
from camera_adapters.state import CameraState
from simulation.rtsp_server.faults import Fault, FaultKind
from simulation.rtsp_server.mount import Mount
from simulation.rtsp_server.thread import RtspServerThread
from tests.camera_adapters.clips import TinyClip
from tests.camera_adapters.readers import Watched, watching

pytestmark = [pytest.mark.integration, pytest.mark.proof, pytest.mark.timeout(240)]

ONLINE, OFFLINE = CameraState.ONLINE, CameraState.OFFLINE
FPS = 12.5
MIB = 1024 * 1024
SAID_S = 10.0
HEALED_S = 30.0
FROZEN_S = 60.0
MAX_GROWTH = 64 * MIB
LOST_SHARE = 0.05

AV1 = "v=0\r\ns=-\r\nm=video 0 RTP/AVP 96\r\na=rtpmap:96 AV1/90000\r\n"

WHILE_PLAYING = {
    "mute": Fault(FaultKind.MUTE),
    "RTCP only": Fault(FaultKind.STALL),
    "nothing comes": Fault(FaultKind.NO_RTP),
    "every packet damaged": Fault(FaultKind.CORRUPT, every=1),
    "connection reset": Fault(FaultKind.KILL),
    "reset within a frame": Fault(FaultKind.CUT),
    "end of the stream": Fault(FaultKind.END),
    "frozen image": Fault(FaultKind.FREEZE),
}
WHILE_OPENING = {
    "mute at the start": Fault(FaultKind.MUTE),
    "nothing after PLAY": Fault(FaultKind.NO_RTP),
    "302 elsewhere": Fault(FaultKind.REDIRECT, text="rtsp://192.0.2.1:8554/live"),
    "404": Fault(FaultKind.REFUSE, status=404),
    "453, too many viewers": Fault(FaultKind.REFUSE, status=453),
    "AV1": Fault(FaultKind.DESCRIPTION, text=AV1),
    "description of 2 GB": Fault(FaultKind.HUGE),
}
HARMLESS = {
    "garbage between frames": Fault(FaultKind.GARBAGE),
    "time stamps leap by an hour": Fault(FaultKind.JUMP, offset_s=3600.0),
    "time stamps leap back": Fault(FaultKind.JUMP, offset_s=-3600.0),
    "wrong clock": Fault(FaultKind.WRONG_CLOCK, offset_s=86_400.0),
}


@pytest.fixture(scope="module")
def server(tiny_clip: TinyClip) -> Iterator[RtspServerThread]:
    with RtspServerThread([Mount("bad", tiny_clip.path), Mount("good", tiny_clip.path)]) as thread:
        yield thread


@pytest.fixture
def neighbour(server: RtspServerThread) -> Iterator[Watched]:
    with watched_camera(server, "good") as watched:
        watched.wait_for(ONLINE)
        yield watched


def watched_camera(server: RtspServerThread, path: str):
    spec = CameraSpec("gate-1", server.url(path), rates={"traffic": FPS})
    return watching(spec, delays=RetryDelays())


def rss_bytes() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def wait_for(watched: Watched, states: set[CameraState], after: int, limit_s: float) -> float:
    """Seconds until a state is reported."""
    started_s = time.monotonic()
    while not any(change.state in states for change in watched.changes[after:]):
        assert time.monotonic() - started_s < limit_s, watched.changes
        time.sleep(0.01)
    return time.monotonic() - started_s


class Neighbour:
    """Says how much a healthy camera lost since this was made."""

    def __init__(self, watched: Watched) -> None:
        self._watched = watched
        self._decoded, self._since_s = watched.reader.counters.decoded, time.monotonic()

    @property
    def lost_share(self) -> float:
        decoded = self._watched.reader.counters.decoded - self._decoded
        return 1 - (decoded + 1) / (FPS * (time.monotonic() - self._since_s))


def report(name: str, said_s: float, healed_s: float, grown: int, lost: float) -> None:
    row = f"| {name} | {said_s:.1f} | {healed_s:.1f} | {grown / MIB:.1f} | {max(0.0, lost):.1%} |"
    sys.stdout.write(f"\n{row}\n")


@pytest.mark.parametrize("name", WHILE_PLAYING)
def test_a_fault_while_playing(server, neighbour, name):
    fault = WHILE_PLAYING[name]
    frozen = fault.kind is FaultKind.FREEZE
    with watched_camera(server, "bad") as watched:
        watched.wait_for(ONLINE)
        before, others, seen = rss_bytes(), Neighbour(neighbour), len(watched.changes)
        server.set_fault("bad", fault)
        try:
            limit_s = FROZEN_S if frozen else SAID_S
            ill = {CameraState.DEGRADED} if frozen else {OFFLINE}
            said_s = wait_for(watched, ill, seen, limit_s)
            time.sleep(3)
        finally:
            server.set_fault("bad", None)
        healed_s = wait_for(watched, {ONLINE}, seen, HEALED_S)
        grown, lost = rss_bytes() - before, others.lost_share
    report(name, said_s, healed_s, grown, lost)
    assert grown < MAX_GROWTH
    assert lost < LOST_SHARE


@pytest.mark.parametrize("name", WHILE_OPENING)
def test_a_fault_while_opening(server, neighbour, name):
    before, others = rss_bytes(), Neighbour(neighbour)
    server.set_fault("bad", WHILE_OPENING[name])
    try:
        with watched_camera(server, "bad") as watched:
            said_s = wait_for(watched, {OFFLINE}, 0, SAID_S + 2)
            time.sleep(3)
            server.set_fault("bad", None)
            healed_s = wait_for(watched, {ONLINE}, 0, HEALED_S)
    finally:
        server.set_fault("bad", None)
    grown, lost = rss_bytes() - before, others.lost_share
    report(name, said_s, healed_s, grown, lost)
    assert grown < MAX_GROWTH
    assert lost < LOST_SHARE


@pytest.mark.parametrize("name", HARMLESS)
def test_what_is_no_fault(server, neighbour, name):
    with watched_camera(server, "bad") as watched:
        watched.wait_for(ONLINE)
        before, others, own = rss_bytes(), Neighbour(neighbour), Neighbour(watched)
        server.set_fault("bad", HARMLESS[name])
        try:
            time.sleep(10)
        finally:
            server.set_fault("bad", None)
        assert watched.states == [ONLINE]
        assert own.lost_share < LOST_SHARE
        report(name, 0.0, 0.0, rss_bytes() - before, others.lost_share)
