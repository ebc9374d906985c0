"""`open_spans`: loads the library of traces where they are configured, and nowhere else."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipelines.tracing.settings import TraceSettings

if TYPE_CHECKING:
    from pipelines.tracing.spans import SpanWriter


def open_spans(settings: TraceSettings | None, service: str, instance: str) -> SpanWriter | None:
    """A writer of spans; None without settings. For arguments see `SpanWriter`."""
    if settings is None:
        return None
    from pipelines.tracing.spans import SpanWriter

    return SpanWriter(settings, service, instance)
