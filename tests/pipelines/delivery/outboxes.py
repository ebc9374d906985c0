"""Transitions, sinks and stores for tests of what happens after the rules."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from camera_adapters.geometry import Size
from camera_adapters.spec import CameraSpec, Place
from camera_adapters.state import CameraState, StateChange
from models.detections import Box
from pipelines.delivery.outbox import Outbox
from pipelines.delivery.sinks.http import HttpSink, HttpSinkSettings
from pipelines.delivery.sinks.sink import Delivery
from pipelines.delivery.spool import Spool
from pipelines.delivery.stores.folder import FolderStore
from pipelines.errors import StoreUnavailable
from pipelines.evidence import EvidenceRecorder
from pipelines.evidence_frame import EvidenceFrame
from pipelines.incident import EndReason, Incident, Phase, Severity, Subject, Transition
from pipelines.plan import ModelRef
from tests.pipelines.frames import PlainImage

OPENED = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
MODEL = ModelRef("street", "3", Size(640, 384), ("person",), 0.4)
RULE = ("crowding.density", "2")
CITY = "Neustadt"
CAMERAS = frozenset({"gate", "north", "south"})


def camera(name: str = "gate") -> CameraSpec:
    return CameraSpec(name, f"rtsp://{name}.local/main", "The gate", Place(7.1, 50.7, "05314"))


def image(value: int = 90) -> PlainImage:
    return PlainImage(np.full((90, 160, 3), value, np.uint8))


def incident(name: str = "i-1", at: str = "gate", severity: Severity = Severity.MEDIUM) -> Incident:
    return Incident(
        id=name,
        kind="crowding.density",
        camera=at,
        zone="square",
        severity=severity,
        opened_at=OPENED,
        updated_at=OPENED,
        ended_at=None,
        end_reason=None,
        subjects=(Subject(7, "person", Box(0.1, 0.2, 0.3, 0.4), 0.8),),
        detail={"persons": 12.0},
    )


def life(
    name: str = "i-1", at: str = "gate", severity: Severity = Severity.MEDIUM, updates: int = 1
) -> list[Transition]:
    """An incident from its opening to its end."""
    first = incident(name, at, severity)
    steps = [Transition(Phase.STARTED, first)]
    for number in range(updates):
        later = replace(first, updated_at=OPENED + timedelta(seconds=number))
        steps.append(Transition(Phase.UPDATED, later))
    end = OPENED + timedelta(minutes=1)
    over = replace(
        first,
        updated_at=end,
        ended_at=end,
        end_reason=EndReason.CLEARED,
    )
    return [*steps, Transition(Phase.ENDED, over)]


def offline(name: str = "gate", at: datetime = OPENED) -> StateChange:
    return StateChange(name, CameraState.OFFLINE, CameraState.ONLINE, "silent", at, 0.0)


@dataclass
class Recorder:
    """A sink in memory. `answer` may raise what a sink raises."""

    name: str = "recorder"
    answer: Callable[[dict[str, Any]], None] = lambda event: None
    bodies: list[bytes] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)
    changed: threading.Condition = field(default_factory=threading.Condition)

    def deliver(self, delivery: Delivery) -> None:
        event = json.loads(delivery.body)
        try:
            self.answer(event)
        finally:
            with self.changed:
                self.changed.notify_all()
        with self.changed:
            self.bodies.append(delivery.body)
            self.ids.append(delivery.event)
            self.changed.notify_all()

    @property
    def events(self) -> list[dict[str, Any]]:
        return [json.loads(body) for body in self.bodies]

    def wait_for(self, condition: Callable[[], bool], timeout_s: float = 20.0) -> None:
        with self.changed:
            assert self.changed.wait_for(condition, timeout_s), self.events

    def wait_count(self, count: int) -> None:
        self.wait_for(lambda: len(self.bodies) >= count)


@dataclass
class SwitchedStore(FolderStore):
    """A folder store that can be switched off."""

    path: Path
    down: bool = False

    def __post_init__(self) -> None:
        super().__init__(self.path)

    def put(self, key: str, data: bytes, sha256: str, media_type: str) -> None:
        if self.down:
            raise StoreUnavailable("switched off")
        super().put(key, data, sha256, media_type)


def http_sink(url: str, utc_s: Callable[[], float] = time.time, **settings: Any) -> HttpSink:
    """A sink that posts to a URL."""
    return HttpSink(HttpSinkSettings(url=url, **settings), utc_s)


class Clock:
    """Monotonic and UTC seconds that move on demand."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


class Edge:
    """One worker's outbox, spool and recorder in a folder."""

    def __init__(
        self, folder: Path, outbox: Outbox | None = None, spool: Spool | None = None
    ) -> None:
        self.folder = folder
        self.outbox = outbox or Outbox(folder / "outbox.db")
        self.spool = spool or Spool(folder / "spool")
        self.recorder = EvidenceRecorder(self.outbox, self.spool, CITY)
        self.store = SwitchedStore(folder / "keyframes")

    def publish(self, *transitions: Transition, value: int | None = 90) -> None:
        """Publishes with an image of one colour, or without."""
        for transition in transitions:
            self.recorder.publish(
                transition,
                camera(transition.incident.camera),
                MODEL,
                RULE,
                None if value is None else EvidenceFrame(image(value)),
            )

    def recover(self) -> int:
        """What a worker that has all cameras does first."""
        return self.recorder.recover(CAMERAS)

    def upload(self) -> None:
        """Stores every spooled keyframe, as the relay's first thread does."""
        while (blob := self.outbox.next_blob()) is not None:
            data = self.spool.read(blob.name, blob.sha256)
            self.store.put(blob.key, data, blob.sha256, "image/jpeg")
            self.outbox.blob_stored(blob.key)
            self.spool.remove(blob.name)

    def close(self) -> None:
        self.outbox.close()
