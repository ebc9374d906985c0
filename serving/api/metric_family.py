"""Families of samples in the form of Prometheus, from plain values."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric

Samples = Iterable[tuple[Sequence[str], float | None]]
"""Values by their labels; None has no sample."""


def gauge(name: str, text: str, labels: Sequence[str], samples: Samples) -> Metric:
    """What goes up and down."""
    return _filled(GaugeMetricFamily(name, text, labels=labels), samples)


def counter(name: str, text: str, labels: Sequence[str], samples: Samples) -> Metric:
    """What only grows while whoever counts it lives; `_total` is added to the name."""
    return _filled(CounterMetricFamily(name, text, labels=labels), samples)


def _filled(family: GaugeMetricFamily | CounterMetricFamily, samples: Samples) -> Metric:
    for labels, value in samples:
        if value is not None:
            family.add_metric(labels, value)
    return family
