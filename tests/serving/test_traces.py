"""The traces of a worker and a hub: one trace for each frame, from its decoder to the database."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from models.package import ModelPackage
from pipelines.access import TokenFile
from pipelines.delivery.sinks.http import HttpSinkSettings
from pipelines.delivery.stores.folder import FolderSettings
from pipelines.delivery.stores.registry import KeyframeSettings
from pipelines.tracing import TraceSettings
from serving.camera_worker import CameraWorker
from serving.city_plan import DeliveryPlan, WorkerPlan
from serving.served_models import served_model
from tests.camera_adapters.clips import TinyClip
from tests.event_hub.conftest import running
from tests.pipelines.delivery.http_receiver import Receiver
from tests.pipelines.tracing.collector import Collector, SeenSpan
from tests.serving.cities import camera_plan

pytestmark = pytest.mark.integration

STEPS = {"decode", "mailbox", "convert", "infer", "infer.queue", "infer.run", "track", "rules"}
"""Of every frame."""
EVENT_STEPS = {"keyframe", "outbox.commit", "deliver", "hub.commit"}
"""Of one that opens an incident."""
CAMERA = "gate"


def plan(folder: Path, sink: HttpSinkSettings, clip: TinyClip, package: ModelPackage) -> WorkerPlan:
    source = f"{clip.path.as_uri()}?realtime=1&loop=1"
    return WorkerPlan(
        "worker-0",
        (camera_plan(CAMERA, source, package),),
        DeliveryPlan(
            keyframes=KeyframeSettings(folder=FolderSettings(folder / "keyframes")),
            sinks=(sink,),
            state=folder / "state",
        ),
        models=(served_model(package),),
        detector="in_process",
        drain_s=5.0,
        incarnation=1,
    )


def traced(one: WorkerPlan, traces: TraceSettings) -> WorkerPlan:
    return replace(one, delivery=replace(one.delivery, traces=traces))


def by_trace(spans: Sequence[SeenSpan]) -> dict[str, list[SeenSpan]]:
    found: dict[str, list[SeenSpan]] = defaultdict(list)
    for one in spans:
        found[one.trace].append(one)
    return found


def full(spans: Sequence[SeenSpan]) -> list[SeenSpan]:
    """A trace that went through to the hub, if there is one."""
    wanted = STEPS | EVENT_STEPS | {"frame"}
    return next(
        (own for own in by_trace(spans).values() if wanted <= {one.name for one in own}), []
    )


def test_a_frame_is_one_trace_from_the_decoder_to_the_hubs_database(
    tmp_path: Path, tiny_clip: TinyClip, brightness: ModelPackage
) -> None:
    with Collector() as collector, running(tmp_path) as start:
        traces = TraceSettings(endpoint=collector.url, share=1.0)
        hub = start(traces=traces)
        token = TokenFile(tmp_path / "access").first()
        sink = HttpSinkSettings(url=f"{hub.url}/api/events", token=token, name="city-hub")
        worker = CameraWorker(traced(plan(tmp_path, sink, tiny_clip, brightness), traces))
        try:
            spans = full(collector.wait_for(lambda seen: bool(full(seen))))
        finally:
            worker.stop()
        events = hub.json("/api/events")["events"]
    (root,) = (one for one in spans if one.name == "frame")
    assert root.parent == ""
    assert root.facts["camera.id"] == CAMERA
    assert {one.parent for one in spans if one is not root} == {root.id}
    assert {one.service for one in spans} == {"cityeye-worker", "cityeye-hub"}
    assert {one.service for one in spans if one.name == "hub.commit"} == {"cityeye-hub"}
    assert {one.facts["sink"] for one in spans if one.name == "deliver"} == {"city-hub"}
    begins = {one.name: one.begin_ns for one in spans}
    order = ["decode", "mailbox", "convert", "infer", "track", "rules", "outbox.commit", "deliver"]
    assert [begins[name] for name in order] == sorted(begins[name] for name in order)
    assert all(0 <= one.end_ns - one.begin_ns < 10e9 for one in spans)
    assert abs(root.begin_ns - time.time_ns()) < 60e9
    # Two processes agree on which event that was, and the stored event names the trace.
    (event,) = {one.facts["event.id"] for one in spans if one.name == "hub.commit"}
    stored = {one["event"]["id"]: one["event"] for one in events}
    assert stored[event]["traceparent"] == f"00-{root.trace}-{root.id}-01"


def test_without_traces_no_event_names_one(
    tmp_path: Path, tiny_clip: TinyClip, brightness: ModelPackage
) -> None:
    with closing(Receiver()) as receiver:
        sink = HttpSinkSettings(url=receiver.url)
        worker = CameraWorker(plan(tmp_path, sink, tiny_clip, brightness))
        try:
            deadline_s = time.monotonic() + 20
            while not any(b"incident.started" in one.body for one in list(receiver.deliveries)):
                assert time.monotonic() < deadline_s
                time.sleep(0.05)
        finally:
            worker.stop()
        assert not [one for one in receiver.deliveries if b"traceparent" in one.body]


def test_an_endpoint_that_is_away_costs_spans_and_nothing_else(
    tmp_path: Path, tiny_clip: TinyClip, brightness: ModelPackage
) -> None:
    with closing(Receiver()) as receiver:
        sink = HttpSinkSettings(url=receiver.url)
        traces = TraceSettings(endpoint="http://127.0.0.1:1", share=1.0)
        worker = CameraWorker(traced(plan(tmp_path, sink, tiny_clip, brightness), traces))
        try:
            deadline_s = time.monotonic() + 20
            while not any(b"incident.started" in one.body for one in list(receiver.deliveries)):
                assert time.monotonic() < deadline_s
                time.sleep(0.05)
            assert not worker.snapshot().fault
        finally:
            began_s = time.monotonic()
            worker.stop()
        assert time.monotonic() - began_s < 15
