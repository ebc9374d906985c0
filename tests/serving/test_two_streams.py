"""A camera with two streams, over RTSP: the smaller one is inferred, keyframes are of the main one.

Both show the same: numbered images for some seconds, on which an incident opens, and then black.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
from av.video.stream import VideoStream

from camera_adapters.geometry import Size
from camera_adapters.main_stream import MainStreamStatus
from camera_adapters.packet_ring import ClipWindow
from models.package import ModelPackage
from pipelines.camera_group import CameraGroup, Slots
from pipelines.delivery.outbox import Outbox
from pipelines.delivery.relay import Relay
from pipelines.delivery.spool import Spool
from pipelines.delivery.stores.folder import FolderStore
from pipelines.detector import InFlightBatch, MicroBatch
from pipelines.evidence import EvidenceRecorder
from pipelines.group_camera import CameraSnapshot
from pipelines.thresholds import NamedThresholds
from serving.in_process import InProcessDetector
from serving.served_models import served_model
from simulation.rtsp_server.faults import Fault, FaultKind
from simulation.rtsp_server.mount import Mount
from simulation.rtsp_server.thread import RtspServerThread
from tests.camera_adapters.clips import paint, read_number
from tests.pipelines.delivery.outboxes import Recorder
from tests.serving.cities import camera_plan

pytestmark = pytest.mark.slow

WAIT_S = 40.0
MAIN, SMALL = Size(640, 360), Size(320, 180)
FPS = Fraction(25, 2)
SHOWN, BLACK = 50, 38
"""Images: 4 s in which an incident opens, 3 s in which it ends."""


def write_street(path: Path, size: Size) -> Path:
    options = {"preset": "ultrafast", "crf": "20", "bf": "0", "sc_threshold": "0"}
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=FPS, options=options)
        assert isinstance(stream, VideoStream)
        stream.width, stream.height, stream.pix_fmt = size.width, size.height, "yuv420p"
        stream.gop_size = 12
        for number in range(SHOWN + BLACK):
            image = paint(number, size.width, size.height)
            if number >= SHOWN:
                image[:] = 0
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts, frame.time_base = number, 1 / FPS
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


class Noting(InProcessDetector):
    """A detector port that notes what the frames show that it is given."""

    def __init__(self, *arguments: object) -> None:
        super().__init__(*arguments)  # type: ignore[arg-type]
        self.sizes: set[Size] = set()
        self.numbers: dict[str, int] = {}

    def submit(self, batch: MicroBatch) -> InFlightBatch:
        for frame in batch.frames:
            self.sizes.add(frame.full.size)
            self.numbers[frame.captured_at.isoformat()] = read_number(frame.full.rgb())
        return super().submit(batch)


@dataclass
class Street:
    group: CameraGroup
    server: RtspServerThread
    sink: Recorder
    port: Noting
    store: FolderStore

    def camera(self) -> CameraSnapshot:
        (one,) = self.group.snapshot().cameras
        return one

    @property
    def main(self) -> MainStreamStatus:
        status = self.camera().main
        assert status is not None
        return status

    def wait(self, holds: Callable[[], bool], what: str) -> None:
        deadline_s = time.monotonic() + WAIT_S
        while not holds():
            assert time.monotonic() < deadline_s, f"not in time: {what}; {self.camera()}"
            time.sleep(0.02)

    def next_opening(self) -> dict[str, Any]:
        """The keyframe of the next incident that opens from now on, as its event has it."""
        before = len(self._openings())
        self.sink.wait_for(lambda: len(self._openings()) > before, WAIT_S)
        keyframe: dict[str, Any] = self._openings()[before]["keyframes"][0]
        return keyframe

    def _openings(self) -> list[dict[str, Any]]:
        started = "cityeye.incident.started"
        return [one["data"] for one in self.sink.events if one["type"] == started]

    def image(self, keyframe: dict[str, Any]) -> Any:
        return cv2.imdecode(np.frombuffer(self.store.get(keyframe["key"]), np.uint8), 1)

    def number_inferred(self, keyframe: dict[str, Any]) -> int:
        """What the frame showed whose moment the keyframe has."""
        at = keyframe["at"].replace("Z", "+00:00")
        return self.port.numbers[at]


@pytest.fixture
def street(brightness: ModelPackage, tmp_path: Path) -> Iterator[Street]:
    outbox = Outbox(tmp_path / "outbox.db")
    spool, store, sink = Spool(tmp_path / "spool"), FolderStore(tmp_path / "keyframes"), Recorder()
    relay = Relay(outbox, spool, store, [sink])
    recorder = EvidenceRecorder(outbox, spool, "cityeye/test")
    port = Noting({str(brightness): served_model(brightness)})
    mounts = [
        Mount(name, write_street(tmp_path / f"{name}.mp4", size), start="server")
        for name, size in (("main", MAIN), ("small", SMALL))
    ]
    with RtspServerThread(mounts) as server:
        plan = camera_plan("gate", server.url("small"), brightness)
        spec = replace(
            plan.camera,
            main_source=server.url("main"),
            read_timeout_s=1.5,
            clip=ClipWindow(before_s=1.0, after_s=1.0),
        )
        (task,) = plan.tasks
        # The bars of an analysis image are grey: what is black has a score too.
        task = replace(task, model=task.model.overridden(NamedThresholds(0.3, {})))
        # A mask would cover the number.
        plan = replace(plan, camera=spec, tasks=(task,), masking=False)
        plans, slots = [plan], Slots(1, 1)
        group = CameraGroup(plans, port, recorder, "test", tmp_path / "comparisons", slots)
        thread = threading.Thread(target=group.run)
        relay.start()
        thread.start()
        yield Street(group, server, sink, port, store)
        group.stop()
        thread.join(WAIT_S)
        assert not {one.name for one in threading.enumerate()} & {"main-gate", "camera-gate"}
    relay.stop(5.0)
    outbox.close()
    port.close()


def test_keyframes_are_of_the_main_stream_and_of_the_smaller_one_while_that_is_away(street):
    street.wait(lambda: not street.main.fault, "the main stream")
    first = street.next_opening()
    assert (first["stream"], first["stream_reason"]) == ("main", "")
    assert (first["width"], first["height"]) == (MAIN.width, MAIN.height)
    assert street.port.sizes == {SMALL}, "what is inferred is the smaller stream"
    shown, inferred = read_number(street.image(first)), street.number_inferred(first)
    # Both are sent at once, and either may arrive first.
    assert abs(shown - inferred) <= 1, (shown, inferred)

    street.server.set_fault("main", Fault(FaultKind.MUTE))
    street.wait(lambda: bool(street.main.fault), "the loss of the main stream")
    second = street.next_opening()
    assert second["stream"] == "inference"
    assert second["stream_reason"].startswith("it has no image of that moment: ")
    assert (second["width"], second["height"]) == (SMALL.width, SMALL.height)
    assert read_number(street.image(second)) == street.number_inferred(second)
    assert street.camera().state.value == "online", "it is watched all the same"
    assert street.main.missed > 0

    street.server.set_fault("main", None)
    street.wait(lambda: not street.main.fault, "the main stream again")
    third = street.next_opening()
    assert (third["stream"], third["width"]) == ("main", MAIN.width)


def test_clips_are_of_the_main_stream(street):
    street.wait(lambda: not street.main.fault, "the main stream")
    street.next_opening()

    def stored() -> list[dict[str, Any]]:
        return [
            one["data"]["clip"]
            for one in street.sink.events
            if "incident" in one["type"] and one["data"]["clip"]["state"] == "stored"
        ]

    street.sink.wait_for(lambda: bool(stored()), WAIT_S)
    assert (stored()[0]["width"], stored()[0]["height"]) == (MAIN.width, MAIN.height)
