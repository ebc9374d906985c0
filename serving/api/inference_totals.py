"""`InferenceTotals`: what all callers together asked of each model version, which never goes back.

A worker that is replaced starts at zero. In series of its own Prometheus sees that as a restart; in
a sum over all workers the others would hide it, and rates would be wrong. Histograms are only
published as sums, as one for each worker would be most of all series.
"""

from __future__ import annotations

from collections.abc import Mapping

from pipelines import InferenceMetrics


class InferenceTotals:
    """Not thread-safe."""

    def __init__(self) -> None:
        self._newest: dict[tuple[str, str], tuple[int, InferenceMetrics]] = {}
        self._ended: dict[str, InferenceMetrics] = {}

    def update(self, caller: str, incarnation: int, models: Mapping[str, InferenceMetrics]) -> None:
        """Takes what a caller has counted.

        Args:
            caller: Its name.
            incarnation: Which start of the caller counted; another one has started at zero.
            models: Its metrics by `name/version`.
        """
        for key, metrics in models.items():
            before = self._newest.get((caller, key))
            if before is not None and before[0] != incarnation:
                self._ended[key] = self._ended.get(key, InferenceMetrics()) + before[1]
            self._newest[caller, key] = incarnation, metrics

    def by_model(self) -> dict[str, InferenceMetrics]:
        """The sums by `name/version`."""
        sums = dict(self._ended)
        for (_, key), (_, metrics) in self._newest.items():
            sums[key] = sums.get(key, InferenceMetrics()) + metrics
        return sums
