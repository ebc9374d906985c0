"""`ModelFaults`: which models fail at present, and how long each is left alone."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from typing import Final

from pipelines.detector import DetectorError
from pipelines.plan import ModelRef

log = logging.getLogger(__name__)

REST_S: Final = 0.5
"""How long a model that failed gets no frames; one that gave no result in time rests longer."""
LONG_REST_S: Final = 5.0


class ModelFaults:
    """Written by the worker's loop alone, read by anybody.

    Attributes:
        reasons: Why a `name/version` fails, for those that do.
    """

    def __init__(self) -> None:
        self.reasons: Mapping[str, str] = {}
        self._resting: dict[str, float] = {}

    def note(self, model: ModelRef, error: DetectorError) -> None:
        """A model has failed."""
        rest_s = LONG_REST_S if error.timed_out else REST_S
        self._resting[model.key] = time.monotonic() + rest_s
        if self.reasons.get(model.key) != str(error):
            self.reasons = {**self.reasons, model.key: str(error)}
            log.error("detector_fault", extra={"model": model.key, "reason": str(error)})

    def clear(self, model: ModelRef) -> None:
        """A model has given a result."""
        if model.key in self.reasons:
            self.reasons = {key: why for key, why in self.reasons.items() if key != model.key}
            log.info("detector_recovered", extra={"model": model.key})

    def rests(self, model: ModelRef) -> bool:
        """Whether it failed a moment ago."""
        return self._resting.get(model.key, 0.0) > time.monotonic()

    def retain(self, models: frozenset[str]) -> None:
        """Forgets the faults of models other than these `name/version`."""
        self.reasons = {key: why for key, why in self.reasons.items() if key in models}
