"""Hop 4, the detector deployment: hands the array to the model, nothing else."""

from __future__ import annotations

import time

import numpy as np
import numpy.typing as npt
from ray import serve

from pipelines import InferenceTiming
from serving.in_process import LoadedModel
from serving.loopback import confine_replica
from serving.memory import own_memory_bytes
from serving.served_models import DetectorArgs

IDLE_CHECK_AFTER_S = 10.0


@serve.deployment(health_check_period_s=5, health_check_timeout_s=10)
class DetectorDeployment:
    """One replica of one model version. Calls come from Serve's thread pool, several at once."""

    def __init__(self, args: DetectorArgs) -> None:
        confine_replica()
        self._model = LoadedModel(args, alone=True)

    def detect(
        self, images: npt.NDArray[np.uint8], rows: tuple[int, ...], sent_at_s: float
    ) -> tuple[npt.NDArray[np.float32], InferenceTiming]:
        """See `LoadedModel.infer`; M is as large as needed."""
        found, timing = self._model.infer(images, rows, sent_at_s)
        # Padding rows come last and need no transport.
        used = int((found[:, :, 4] > 0).sum(axis=1).max(initial=0))
        return np.ascontiguousarray(found[:, :used]), timing

    def provider(self) -> str:
        """The execution provider in use."""
        return self._model.provider

    def memory_bytes(self) -> int:
        """See `own_memory_bytes`."""
        return own_memory_bytes()

    def verify(self) -> str:
        """See `LoadedModel.verify`."""
        return self._model.verify()

    def check_health(self) -> None:
        """Raises when the session no longer works; Serve then replaces the replica.

        A busy replica shows its health by its results; an idle one infers a black image.
        """
        if time.monotonic() - self._model.finished_s > IDLE_CHECK_AFTER_S:
            self._model.infer(self._model.blank, (0,), time.time())
