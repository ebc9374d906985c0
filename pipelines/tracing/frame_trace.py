"""Which frame a thread follows, if it is traced: one variable, and nothing else where it is not."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from contextvars import ContextVar
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pipelines.tracing.spans import OpenSpan, SpanFacts, SpanWriter


class FrameTrace:
    """The trace of one frame; belongs to the thread that has the frame."""

    def __init__(self, writer: SpanWriter, root: OpenSpan) -> None:
        """Goes on from the root span, which somebody else ends."""
        self._writer = writer
        self._root = root

    @property
    def traceparent(self) -> str:
        """What events of the frame carry, so that whoever gets them can add to the trace."""
        return self._root.traceparent

    def add(self, name: str, begin_s: float, end_s: float, facts: SpanFacts | None = None) -> None:
        """Adds a stage that is over, monotonic seconds."""
        self._writer.add(name, self._root, (begin_s, end_s), facts or {})

    @contextmanager
    def measured(self, name: str) -> Iterator[None]:
        """Adds what runs inside as a stage."""
        begin_s = time.monotonic()
        try:
            yield
        finally:
            self.add(name, begin_s, time.monotonic())


FOLLOWED: Final[ContextVar[FrameTrace | None]] = ContextVar("followed", default=None)
"""The trace of the frame that this thread follows now; None where it is not traced."""

NOT_TRACED: Final = nullcontext()
"""In place of `FrameTrace.measured` where no frame is traced."""
