"""What one camera of a drawn street sends: recorded once by the real path, then every camera's.

A real model runs over a drawn clip, and what tracker and rules make of it goes through the real
recorder and outbox. Images are left out.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

from camera_adapters import CameraSpec, Playback
from models import BUILTIN_ROOT, ModelRepository
from pipelines import (
    CameraPlan,
    Coverage,
    CoveredPeriod,
    EvidenceRecorder,
    ModelRef,
    TaskPlan,
    Transition,
)
from pipelines.delivery import Courier, Delivery, Outbox, Spool
from pipelines.event import CameraData
from pipelines.event_identity import camera_source, event_id
from pipelines.replay import Replay, ReplayStep
from pipelines.rules import RulePlan, Zone
from serving import InProcessDetector, served_model
from simulation import encode_scene
from simulation.scenes import scene_named

SCENE: Final = "crossroad-jam"
TASK: Final = "traffic"
CAMERA: Final = "recorded"
CITY: Final = "510118-bench"
FPS: Final = 5.0
CONFIRM_S: Final = 5.0
MINUTE_S: Final = 60.0
WHOLE: Final = Zone("image", ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0)))


@dataclass(frozen=True, slots=True)
class CityRecording:
    """The events of one camera.

    Attributes:
        bodies: As they were published, in order.
        seconds: Of how much video they are.
    """

    bodies: tuple[bytes, ...]
    seconds: float

    @property
    def per_second(self) -> float:
        """Events that one camera sends per second."""
        return len(self.bodies) / self.seconds

    def of(self, camera: str, round_number: int) -> Iterator[bytes]:
        """The same events from another camera, with ids that come once for each round."""
        for body in self.bodies:
            yield json.dumps(_moved(json.loads(body), camera, f"{round_number}")).encode()


def record(seconds: float) -> CityRecording:
    """Draws so much of a street, and records what a camera there sends."""
    with tempfile.TemporaryDirectory(prefix="cityeye-city-") as name:
        folder = Path(name)
        clip = folder / "street.mp4"
        encode_scene(scene_named(SCENE), clip, lambda *_: None, seconds)
        outbox = Outbox(folder / "outbox.db")
        try:
            recorder = EvidenceRecorder(outbox, Spool(folder / "spool"), CITY)
            _publish(clip, recorder, seconds)
            return CityRecording(tuple(_bodies(outbox)), seconds)
        finally:
            outbox.close()


def _publish(clip: Path, recorder: EvidenceRecorder, seconds: float) -> None:
    served = served_model(ModelRepository(BUILTIN_ROOT).find(TASK))
    rules = (
        RulePlan("traffic.congestion", (WHOLE,), {"confirm_s": CONFIRM_S}),
        RulePlan("traffic.zone_traffic", (WHOLE,), {}),
    )
    camera = CameraSpec(CAMERA, clip.as_uri(), rates={TASK: FPS})
    plan = CameraPlan(camera, (TaskPlan(TASK, served.ref, FPS, rules),))
    detector = InProcessDetector({served.ref.key: served})
    playback = Playback(camera, clip)
    begins_at: datetime | None = None
    try:
        for step in Replay(plan, playback, detector).steps():
            if begins_at is None and step.frame is not None:
                begins_at = step.frame.captured_at
            _publish_step(step, recorder, camera, served.ref)
    finally:
        playback.close()
        detector.close()
    if begins_at is None:
        return
    for minute in range(int(seconds // MINUTE_S)):
        begin = begins_at + timedelta(seconds=minute * MINUTE_S)
        end = begin + timedelta(seconds=MINUTE_S)
        seen = Coverage(MINUTE_S, MINUTE_S, MINUTE_S, {})
        recorder.publish_coverage(CoveredPeriod(CAMERA, TASK, begin, end, seen), camera)


def _publish_step(
    step: ReplayStep, recorder: EvidenceRecorder, camera: CameraSpec, model: ModelRef
) -> None:
    for one in step.found:
        kind, _, version = one.rule.rpartition("/")
        if isinstance(one.found, Transition):
            found = replace(one.found, incident=replace(one.found.incident, group=""))
            recorder.publish(found, camera, model, (kind, version), None)
        else:
            seen = Coverage(MINUTE_S, MINUTE_S, MINUTE_S, {})
            recorder.publish_measurement(one.found, TASK, seen, camera, model, (kind, version))


class _Kept:
    """A sink that keeps what it is given."""

    name = "kept"

    def __init__(self) -> None:
        self.bodies: list[bytes] = []

    def deliver(self, delivery: Delivery) -> None:
        self.bodies.append(delivery.body)


def _bodies(outbox: Outbox) -> list[bytes]:
    sink = _Kept()
    outbox.deliveries.register([sink.name])
    courier = Courier(sink, outbox.deliveries, grace_s=0.0)
    while not outbox.deliveries.idle():
        courier.round()
    return sink.bodies


def _moved(event: dict[str, Any], camera: str, mark: str) -> dict[str, Any]:
    data = dict(event["data"])
    data["camera"] = CameraData(id=camera, name=camera).model_dump()
    for name in ("incident_id", "group"):
        if data.get(name):
            data[name] = event_id(data[name], camera, mark)
    moved: Mapping[str, Any] = {
        "id": event_id(event["id"], camera, mark),
        "source": camera_source(CITY, camera),
        "subject": data.get("incident_id", camera),
        "partitionkey": camera,
        "data": data,
    }
    return {**event, **moved}
