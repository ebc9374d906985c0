"""From a covered lens in a recording to an event: the whole path of a frame, without Ray."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models.package import ModelPackage
from pipelines.camera_group import CameraGroup
from pipelines.delivery.outbox import Outbox
from pipelines.delivery.relay import Relay
from pipelines.delivery.spool import Spool
from pipelines.delivery.stores.folder import FolderStore
from pipelines.evidence import EvidenceRecorder
from pipelines.signals.signal import Signal
from serving.api.answers import camera_answer
from serving.in_process import InProcessDetector
from serving.served_models import served_model
from tests.camera_adapters.recordings import FPS, write_images
from tests.pipelines.delivery.outboxes import Recorder
from tests.pipelines.signals.luma_street import Effect, Street, bag, during, light
from tests.serving.cities import camera_plan

WAIT_S = 60.0


def covered(image, _at_s):
    image[:] = np.linspace(60, 90, image.shape[1])
    return image


def recording(path: Path, effects: Sequence[Effect], seconds: float) -> Path:
    frames = Street(effects).frames(seconds, 1 / FPS)
    return write_images(path, [np.repeat(luma[..., None], 3, axis=2) for _, luma, _ in frames])


def watched(
    clip: Path,
    signals: frozenset[Signal],
    package: ModelPackage,
    folder: Path,
    label: str = "person",
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """The events of a camera that plays a clip to its end, and what the API says of it then."""
    outbox, spool, sink = Outbox(folder / "outbox.db"), Spool(folder / "spool"), Recorder()
    relay = Relay(outbox, spool, FolderStore(folder / "keyframes"), [sink])
    port = InProcessDetector({str(package): served_model(package)})
    plan = camera_plan("gate", clip.as_uri(), package)
    (task,) = plan.tasks
    # What it finds fills the whole image; a person would stand in front of everything.
    task = replace(task, model=replace(task.model, labels=(label,)))
    plan = replace(plan, tasks=(task,), signals=signals)
    recorder = EvidenceRecorder(outbox, spool, "test")
    group = CameraGroup([plan], port, recorder, "test", folder / "comparisons")
    thread = threading.Thread(target=group.run)
    relay.start()
    thread.start()
    deadline_s = time.monotonic() + WAIT_S
    while not group.snapshot().cameras[0].ended and time.monotonic() < deadline_s:
        time.sleep(0.02)
    (camera,) = group.snapshot().cameras
    assert camera.ended
    group.stop()
    thread.join(WAIT_S)
    relay.stop(WAIT_S)
    outbox.close()
    port.close()
    return sink.events, camera_answer("worker-1", camera).model_dump(mode="json")


@pytest.mark.slow
def test_a_covered_and_a_dark_view_are_events_and_incidents_end(brightness, tmp_path):
    effects = [during(covered, 15.0, 43.0), during(light(0.05), 55.0, 65.0)]
    clip = recording(tmp_path / "street.mp4", effects, 78)
    events, camera = watched(clip, frozenset({Signal.VIEW}), brightness, tmp_path)
    states = [one["data"] for one in events if one["type"] == "cityeye.camera.state"]
    assert [(one["state"], one["view"]) for one in states] == [
        ("online", ""),
        ("degraded", "covered"),
        ("online", ""),
        ("degraded", "dark"),
        ("online", ""),
        ("offline", ""),
    ]
    assert states[1]["reason"] == "the view is covered: clear what is in front of the lens"
    incidents = [one["data"] for one in events if one["type"].startswith("cityeye.incident")]
    assert [(one["phase"], one["end_reason"]) for one in incidents][:3] == [
        ("started", None),
        ("ended", "view_lost"),
        ("started", None),
    ]
    assert camera["view"] is None


def test_what_a_camera_is_asked_for_is_known_to_the_api(brightness, tmp_path):
    clip = recording(tmp_path / "street.mp4", [during(bag(), 15.0)], 30)
    wanted = frozenset({Signal.MOTION, Signal.STATIC_CHANGE})
    _, camera = watched(clip, wanted, brightness, tmp_path, "fountain")
    assert camera["view"] is None
    assert 0 <= camera["motion"] < 0.05
    (change,) = camera["static_changes"]
    assert change["kind"] == "added"
    assert np.allclose(change["box"], [150 / 320, 120 / 180, 168 / 320, 136 / 180], atol=0.02)
