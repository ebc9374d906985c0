"""`Tracing`: chooses the frames that are traced, and follows them from decoder to sinks."""

from __future__ import annotations

import random
import re
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from camera_adapters import Frame
from pipelines.delivery import Delivery, Sink
from pipelines.detector import BatchResult, MicroBatch
from pipelines.tracing.frame_trace import FOLLOWED, FrameTrace
from pipelines.tracing.opening import open_spans
from pipelines.tracing.settings import TraceSettings

if TYPE_CHECKING:
    from pipelines.tracing.spans import OpenSpan, SpanFacts, SpanWriter

TRACED: Final = re.compile(rb'"traceparent":"([0-9a-f-]{55})"')
"""In an event; inside of a text its quotes would be escaped."""


@dataclass(frozen=True, slots=True)
class _Followed:
    trace: FrameTrace
    root: OpenSpan


class BatchTrace:
    """The traced frames among those that were taken together."""

    def __init__(self, writer: SpanWriter, frames: Sequence[Frame]) -> None:
        """Begins a trace for each frame, with what has happened to it."""
        self._writer = writer
        self._since_s = now_s = time.monotonic()
        self._followed = {one.camera: _begun(writer, one, now_s) for one in frames}

    def step(self, name: str) -> None:
        """What all frames went through since the last step."""
        begin_s, self._since_s = self._since_s, time.monotonic()
        for one in self._followed.values():
            one.trace.add(name, begin_s, self._since_s)

    def inferred(self, batch: MicroBatch, result: BatchResult) -> None:
        """The inference of a batch: from sending to its result, and what the model says of it."""
        now_s = time.monotonic()
        for frame in batch.frames:
            if (one := self._followed.get(frame.camera)) is None:
                continue
            one.trace.add("infer", self._since_s, now_s, {"batch.frames": len(batch.frames)})
            for model, timing in result.timings.items():
                facts = {"model": model, "provider": timing.provider}
                run_s = self._since_s + timing.queue_s
                one.trace.add("infer.queue", self._since_s, run_s, facts)
                one.trace.add("infer.run", run_s, run_s + timing.run_s, facts)

    def following(self, camera: str) -> AbstractContextManager[None]:
        """Inside, stages of this thread belong to the camera's frame, which is through behind it.

        Its events go on by `traceparent`.
        """
        one = self._followed.get(camera)
        return nullcontext() if one is None else _following(one, self._writer)


def _begun(writer: SpanWriter, frame: Frame, taken_s: float) -> _Followed:
    """The trace of a frame that was taken now, with what has happened to it."""
    arrived_s = frame.arrived_mono_s
    facts: SpanFacts = {"camera.id": frame.camera, "frame.index": frame.index}
    root = writer.begin("frame", arrived_s - frame.decode_s, facts)
    trace = FrameTrace(writer, root)
    if frame.decode_s:
        trace.add("decode", arrived_s - frame.decode_s, arrived_s)
    trace.add("mailbox", arrived_s, taken_s)
    return _Followed(trace, root)


class TracedSink:
    """A sink whose deliveries of traced events are spans; otherwise as it is."""

    def __init__(self, sink: Sink, writer: SpanWriter) -> None:
        """Stands before a sink."""
        self._sink = sink
        self._writer = writer

    @property
    def name(self) -> str:
        """See `Sink.name`."""
        return self._sink.name

    def deliver(self, delivery: Delivery) -> None:
        """See `Sink.deliver`."""
        traced = TRACED.search(delivery.body)
        if traced is None:
            self._sink.deliver(delivery)
            return
        begin_s, error = time.monotonic(), ""
        try:
            self._sink.deliver(delivery)
        except Exception as failure:
            error = str(failure)
            raise
        finally:
            facts: SpanFacts = {
                "sink": self.name,
                "event.id": delivery.event,
                "refusals": delivery.refusals,
            }
            times = begin_s, time.monotonic()
            self._writer.add("deliver", traced[1].decode(), times, facts, error)


class Tracing:
    """Traces a share of the frames of one process. Safe for use from several threads."""

    def __init__(
        self, writer: SpanWriter, share: float, chance: Callable[[], float] = random.random
    ) -> None:
        """Prepares; `chance` gives numbers in 0..1."""
        self._writer = writer
        self._share = share
        self._chance = chance

    def batch(self, frames: Sequence[Frame]) -> BatchTrace | None:
        """Begins the traces of frames that were taken together; None where none is traced."""
        chosen = [one for one in frames if self._chance() < self._share]
        return BatchTrace(self._writer, chosen) if chosen else None

    def sink(self, sink: Sink) -> Sink:
        """The same sink, with its deliveries of traced events as spans."""
        return TracedSink(sink, self._writer)

    def close(self) -> None:
        """Sends what waits, for a moment at most."""
        self._writer.close()


def open_tracing(settings: TraceSettings | None, instance: str) -> Tracing | None:
    """Traces of a camera worker; none without settings."""
    writer = open_spans(settings, "cityeye-worker", instance)
    return None if writer is None or settings is None else Tracing(writer, settings.share)


@contextmanager
def _following(one: _Followed, writer: SpanWriter) -> Iterator[None]:
    token = FOLLOWED.set(one.trace)
    try:
        yield
    finally:
        FOLLOWED.reset(token)
        writer.end(one.root, time.monotonic())
