"""`ModelFaults`: which models fail at present, and how long each is left alone."""

from __future__ import annotations

import logging
import threading
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
    """Safe for use from several threads.

    Attributes:
        reasons: Why a `name/version` fails, for those that do.
    """

    def __init__(self) -> None:
        self.reasons: Mapping[str, str] = {}
        self._resting: dict[str, float] = {}
        self._lock = threading.Lock()

    def note(self, model: ModelRef, error: DetectorError) -> None:
        """A model has failed."""
        rest_s = LONG_REST_S if error.timed_out else REST_S
        with self._lock:
            self._resting[model.key] = time.monotonic() + rest_s
            known = self.reasons.get(model.key) == str(error)
            self.reasons = {**self.reasons, model.key: str(error)}
        if not known:
            log.error("detector_fault", extra={"model": model.key, "reason": str(error)})

    def clear(self, model: ModelRef) -> None:
        """A model has given a result."""
        with self._lock:
            known = model.key in self.reasons
            self.reasons = {key: why for key, why in self.reasons.items() if key != model.key}
        if known:
            log.info("detector_recovered", extra={"model": model.key})

    def rests(self, model: ModelRef) -> bool:
        """Whether it failed a moment ago."""
        return self._resting.get(model.key, 0.0) > time.monotonic()

    def retain(self, models: frozenset[str]) -> None:
        """Forgets the faults of models other than these `name/version`."""
        with self._lock:
            self.reasons = {key: why for key, why in self.reasons.items() if key in models}
