"""Which frames are traced, what a failed delivery looks like, and settings."""

from __future__ import annotations

import random
import subprocess
import sys
from collections.abc import Iterator

import pytest
from pydantic import ValidationError

from pipelines.delivery import Delivery
from pipelines.errors import SinkUnavailable
from pipelines.event import CameraStateEvent
from pipelines.tracing.frame_trace import FOLLOWED
from pipelines.tracing.opening import open_spans
from pipelines.tracing.settings import TraceSettings
from pipelines.tracing.spans import SpanWriter
from pipelines.tracing.tracing import TracedSink, Tracing, open_tracing
from tests.pipelines.frames import make_frame
from tests.pipelines.tracing.collector import Collector

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.fixture
def collector() -> Iterator[Collector]:
    with Collector() as one:
        yield one


@pytest.fixture
def writer(collector: Collector) -> Iterator[SpanWriter]:
    one = SpanWriter(TraceSettings(endpoint=collector.url), "cityeye-worker", "worker-0")
    yield one
    one.close()


def test_the_share_of_frames_is_traced(writer):
    chance = random.Random(7).random
    tracing = Tracing(writer, 0.01, chance)
    frames = [make_frame("gate")]
    traced = sum(tracing.batch(frames) is not None for _ in range(10_000))
    assert 70 < traced < 130


def test_nothing_is_opened_without_settings():
    assert open_tracing(None, "worker-0") is None
    assert open_spans(None, "cityeye-hub", "hub") is None


def test_only_the_chosen_camera_of_a_batch_is_followed(writer, collector):
    chances = iter([0.5, 0.0])
    trace = Tracing(writer, 0.1, lambda: next(chances)).batch(
        [make_frame("gate"), make_frame("yard")]
    )
    trace.step("convert")
    with trace.following("gate"):
        assert FOLLOWED.get() is None
    with trace.following("yard"):
        followed = FOLLOWED.get()
        assert followed is not None
        with followed.measured("track"):
            pass
    assert FOLLOWED.get() is None
    writer.close()
    assert {one.name for one in collector.spans} == {"frame", "mailbox", "convert", "track"}
    (frame,) = (one for one in collector.spans if one.name == "frame")
    assert frame.facts["camera.id"] == "yard"


class Refusing:
    name = "city"

    def deliver(self, delivery: Delivery) -> None:
        raise SinkUnavailable("answered 503: its own log says why")


def delivery(body: bytes) -> Delivery:
    return Delivery(1, 0, "e-1", "gate", body)


def test_a_failed_delivery_is_a_failed_span_and_still_fails(writer, collector):
    sink = TracedSink(Refusing(), writer)
    with pytest.raises(SinkUnavailable):
        sink.deliver(delivery(f'{{"id":"e-1","traceparent":"{PARENT}"}}'.encode()))
    writer.close()
    (span,) = collector.spans
    assert (span.name, span.failed, span.facts["sink"]) == ("deliver", True, "city")
    assert (span.trace, span.parent) == (PARENT[3:35], PARENT[36:52])


@pytest.mark.parametrize(
    "body",
    [
        b'{"id":"e-1"}',
        rb'{"name":"\"traceparent\":\"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\""}',
        b'{"traceparent":"00-00000000000000000000000000000000-b7ad6b7169203331-01"}',
    ],
)
def test_an_event_of_no_traced_frame_is_delivered_without_a_span(writer, collector, body):
    with pytest.raises(SinkUnavailable):
        TracedSink(Refusing(), writer).deliver(delivery(body))
    writer.close()
    assert not collector.spans


@pytest.mark.parametrize(
    ("endpoint", "url"),
    [
        ("http://127.0.0.1:4318", "http://127.0.0.1:4318/v1/traces"),
        ("http://127.0.0.1:4318/", "http://127.0.0.1:4318/v1/traces"),
        ("https://traces.example/otlp/v1/traces", "https://traces.example/otlp/v1/traces"),
    ],
)
def test_the_usual_path_is_added_to_an_endpoint_without_one(endpoint, url):
    assert TraceSettings(endpoint=endpoint).url == url


@pytest.mark.parametrize(
    "given",
    [
        {"endpoint": "collector:4317"},
        {"endpoint": "http://user:pw@collector:4318"},
        {"endpoint": "http://collector:99999"},
        {"endpoint": "http://collector:4318", "share": 0},
        {"endpoint": "http://collector:4318", "share": 1.5},
    ],
)
def test_settings_that_cannot_work_are_refused(given):
    with pytest.raises(ValidationError):
        TraceSettings(**given)


def state_event(**more: object) -> CameraStateEvent:
    given = {
        "id": "e-1",
        "source": "/cities/a/cameras/gate",
        "subject": "gate",
        "time": "2026-11-27T00:00:00Z",
        "partitionkey": "gate",
        "sequence": "1",
        "data": {
            "camera": {"id": "gate"},
            "state": "online",
            "previous": "offline",
            "reason": "",
            "since": "2026-11-27T00:00:00Z",
        },
    }
    return CameraStateEvent.model_validate({**given, **more})


def test_an_event_of_no_traced_frame_has_no_such_attribute():
    assert "traceparent" not in state_event().model_dump_json()
    assert f'"traceparent":"{PARENT}"' in state_event(traceparent=PARENT).model_dump_json()


@pytest.mark.parametrize("given", ["", "01-abc", 7, None, PARENT.upper(), f"{PARENT}\n"])
def test_a_trace_context_that_is_none_says_nothing_against_an_event(given):
    assert state_event(traceparent=given).traceparent is None


def test_the_library_of_traces_is_loaded_only_where_traces_are_configured():
    code = (
        "import sys, serving.camera_worker, event_hub.application\n"
        "sys.exit(any(name.startswith('opentelemetry.exporter.otlp') for name in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], timeout=60, check=False)
    assert done.returncode == 0
