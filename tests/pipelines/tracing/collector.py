"""A stand-in for an OpenTelemetry collector: takes OTLP over HTTP and decodes its protobuf."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.pipelines.delivery.http_receiver import Receiver

WAIT_S = 20.0


@dataclass(frozen=True)
class SeenSpan:
    """A span as it arrived; times in nanoseconds since 1970."""

    service: str
    name: str
    trace: str
    parent: str
    id: str
    begin_ns: int
    end_ns: int
    failed: bool
    facts: dict[str, Any]


@dataclass
class Collector:
    """Listens while its `with` block runs."""

    receiver: Receiver = field(default_factory=Receiver)

    @property
    def url(self) -> str:
        return self.receiver.url.rpartition("/")[0]

    @property
    def spans(self) -> list[SeenSpan]:
        return [
            span for one in list(self.receiver.deliveries) for span in decoded(one.path, one.body)
        ]

    def wait_for(self, holds: Callable[[Sequence[SeenSpan]], bool]) -> list[SeenSpan]:
        deadline_s = time.monotonic() + WAIT_S
        while not holds(spans := self.spans):
            assert time.monotonic() < deadline_s, sorted({(one.service, one.name) for one in spans})
            time.sleep(0.05)
        return spans

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.receiver.close()


def decoded(path: str, body: bytes) -> list[SeenSpan]:
    assert path == "/v1/traces"
    found = []
    for group in ExportTraceServiceRequest.FromString(body).resource_spans:
        names = {one.key: one.value.string_value for one in group.resource.attributes}
        for scope in group.scope_spans:
            found += [
                SeenSpan(
                    names["service.name"],
                    span.name,
                    span.trace_id.hex(),
                    span.parent_span_id.hex(),
                    span.span_id.hex(),
                    span.start_time_unix_nano,
                    span.end_time_unix_nano,
                    span.status.code == 2,
                    {one.key: value_of(one.value) for one in span.attributes},
                )
                for span in scope.spans
            ]
    return found


def value_of(value: Any) -> Any:
    return getattr(value, value.WhichOneof("value"))
