"""A camera under chaos, seen by the adapter of the product and by its own server."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator

import pytest

from benchmarks.chaos.cameras import USER, ChaosCamera
from benchmarks.chaos.processes import camera_sockets
from camera_adapters import CameraSpec, StreamSignal, open_source
from camera_adapters.errors import CameraFault
from camera_adapters.source import VideoSource
from camera_adapters.spec import Credentials
from serving import socket_inodes
from simulation.rtsp_server import Fault, FaultKind
from tests.camera_adapters.clips import TinyClip

pytestmark = [pytest.mark.integration, pytest.mark.slow]

WAIT_S = 20.0


@pytest.fixture
def camera(tiny_clip: TinyClip) -> Iterator[ChaosCamera]:
    one = ChaosCamera("cam-east", tiny_clip.path)
    one.start()
    yield one
    one.stop()


def wait_until(holds: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + WAIT_S
    while not holds():
        assert time.monotonic() < deadline_s
        time.sleep(0.05)


def source_of(camera: ChaosCamera) -> VideoSource:
    login = Credentials(USER, camera.password)
    return open_source(CameraSpec(id=camera.name, source=camera.url, credentials=login))


def read_one(source: VideoSource) -> None:
    next(one for one in source.arrivals() if not isinstance(one, StreamSignal))


def test_a_camera_notes_its_frames_unless_they_show_nothing_new(camera):
    source = source_of(camera)
    try:
        read_one(source)
        assert camera.frames
        camera.set_fault(Fault(FaultKind.FREEZE))
        frozen = len(camera.frames)
        for _ in range(5):
            read_one(source)
        assert len(camera.frames) == frozen
        camera.set_fault(None)
        wait_until(lambda: len(camera.frames) > frozen)
    finally:
        source.close()


def test_a_camera_that_was_off_is_back_at_its_address_and_with_its_fault(camera):
    url = camera.url
    camera.set_fault(Fault(FaultKind.REFUSE, status=503))
    camera.stop()
    with pytest.raises(CameraFault):
        source_of(camera)
    camera.start()
    assert camera.url == url
    with pytest.raises(CameraFault):
        source_of(camera)
    camera.set_fault(None)
    source_of(camera).close()


def test_a_changed_password_is_asked_for(camera):
    old = camera.password
    camera.change_password()
    new, camera.password = camera.password, old
    with pytest.raises(CameraFault):
        source_of(camera)
    camera.password = new
    source_of(camera).close()


def test_the_kernel_says_who_is_connected_and_whether_it_reads(camera):
    ports = frozenset({camera.port})
    assert not list(camera_sockets(ports))
    source = source_of(camera)
    try:
        (found,) = camera_sockets(ports)
        assert found.port == camera.port
        assert found.inode in socket_inodes(os.getpid())
        wait_until(lambda: next(camera_sockets(ports)).unread_bytes > 0)
    finally:
        source.close()
