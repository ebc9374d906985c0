"""`SpanWriter`: spans with their times, sent in the background. The one door of OpenTelemetry.

Times are monotonic seconds of this machine, as everywhere in the frame path; they become wall time
here. A trace goes on in other threads and processes by its `traceparent` (W3C Trace Context).
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Span, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import ALWAYS_ON
from opentelemetry.trace import (
    NonRecordingSpan,
    SpanContext,
    Status,
    StatusCode,
    TraceFlags,
    set_span_in_context,
)

from pipelines.tracing.settings import TraceSettings

SpanFacts = Mapping[str, str | int | float | bool]

PARENT: Final = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}")
SEND_S: Final = 5.0
EVERY_MS: Final = 1000.0
MOST_WAITING: Final = 4096
FLUSH_MS: Final = 2000
NANOSECONDS: Final = 1e9


@dataclass(frozen=True, slots=True)
class OpenSpan:
    """A span that has begun, under which others can stand."""

    span: Span
    context: Context

    @property
    def traceparent(self) -> str:
        """What names it in other processes."""
        own = self.span.get_span_context()
        return f"00-{own.trace_id:032x}-{own.span_id:016x}-01"


class SpanWriter:
    """Writes spans of one process; safe for use from several threads."""

    def __init__(self, settings: TraceSettings, service: str, instance: str) -> None:
        """Prepares; the endpoint is met with the first spans.

        Args:
            settings: Where spans go.
            service: What this process does, `cityeye-worker` or `cityeye-hub`.
            instance: Which of several it is.
        """
        names = {"service.name": service, "service.instance.id": instance}
        self._provider = TracerProvider(
            sampler=ALWAYS_ON, resource=Resource.create(names), shutdown_on_exit=False
        )
        self._provider.add_span_processor(
            BatchSpanProcessor(
                OTLPSpanExporter(endpoint=settings.url, timeout=SEND_S),
                max_queue_size=MOST_WAITING,
                schedule_delay_millis=EVERY_MS,
            )
        )
        self._tracer = self._provider.get_tracer("cityeye")

    def begin(self, name: str, begin_s: float, facts: SpanFacts) -> OpenSpan:
        """Begins a trace with its first span."""
        span = self._tracer.start_span(
            name, Context(), attributes=dict(facts), start_time=wall_ns(begin_s)
        )
        assert isinstance(span, Span)  # noqa: S101 - every span is recorded
        return OpenSpan(span, set_span_in_context(span, Context()))

    def end(self, one: OpenSpan, end_s: float) -> None:
        """Ends a span."""
        one.span.end(wall_ns(end_s))

    def add(
        self,
        name: str,
        parent: OpenSpan | str,
        times: tuple[float, float],
        facts: SpanFacts,
        error: str = "",
    ) -> None:
        """Adds a span that is over.

        Args:
            name: Of the span.
            parent: A span of this process, or a `traceparent`; one that is none is left alone.
            times: Begin and end, monotonic seconds.
            facts: Its attributes.
            error: What went wrong, empty if nothing did.
        """
        context = parent.context if isinstance(parent, OpenSpan) else _remote(parent)
        if context is None:
            return
        span = self._tracer.start_span(
            name, context, attributes=dict(facts), start_time=wall_ns(times[0])
        )
        if error:
            span.set_status(Status(StatusCode.ERROR, error))
        span.end(wall_ns(times[1]))

    def close(self) -> None:
        """Sends what waits, for a moment at most."""
        self._provider.force_flush(FLUSH_MS)
        self._provider.shutdown()


def wall_ns(mono_s: float) -> int:
    """A monotonic time as nanoseconds since 1970 UTC, by the clocks as they stand now."""
    return time.time_ns() - int((time.monotonic() - mono_s) * NANOSECONDS)


def _remote(traceparent: str) -> Context | None:
    match = PARENT.fullmatch(traceparent)
    if match is None:
        return None
    flags = TraceFlags(TraceFlags.SAMPLED)
    known = SpanContext(int(match[1], 16), int(match[2], 16), is_remote=True, trace_flags=flags)
    return set_span_in_context(NonRecordingSpan(known), Context()) if known.is_valid else None
