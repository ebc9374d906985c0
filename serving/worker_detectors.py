"""Detectors in the camera workers' own processes: no hop, and a copy of the model in each worker.

A version is tried in a throw-away process before any worker loads it, so that one that crashes
takes no camera along; and a worker verifies its golden images before the first frame.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from ray.exceptions import ActorDiedError, RayError

from pipelines import InferenceMetrics
from serving.actor import wait_for
from serving.errors import ServingError, last_line
from serving.gpu_shares import ROLLOUT_GPUS, WorkerGpus, may_use_gpu
from serving.gpus import gpus_here
from serving.in_process import InProcessDetector
from serving.served_models import ModelState, ServedModel
from serving.trial import LOAD_TIMEOUT_S, TrialProcess

log = logging.getLogger(__name__)


class InProcessDetectors:
    """Detectors in the workers; see `DetectorService`."""

    def port(self, models: Mapping[str, ServedModel]) -> InProcessDetector:
        """See `DetectorService.port`. A version that cannot be loaded is tried again when used."""
        port = InProcessDetector(models)
        for served in tuple(models.values()):
            problem = port.verify(served.ref)
            if problem:
                log.error("model_not_loaded", extra={"model": served.ref.key, "reason": problem})
        return port

    def worker_gpus(self, models: Sequence[ServedModel], workers: int) -> WorkerGpus:
        """See `DetectorService.worker_gpus`."""
        return WorkerGpus.of(models, gpus_here(), workers, infer=True)

    def deploy(self, models: Sequence[ServedModel]) -> None:
        """See `DetectorService.deploy`; they were tried, and workers load them when they start."""

    def launch(self, model: ServedModel, workers: Sequence[Any] = ()) -> None:
        """See `DetectorService.launch`."""
        (may_use,) = may_use_gpu([model], gpus_here())
        with TrialProcess(model, ROLLOUT_GPUS if may_use else 0.0) as trial:
            problem = trial.load()
        if not problem:
            loading = [worker.load.remote(model) for worker in workers]
            problem = next(filter(None, map(_outcome, loading)), "")
        if problem:
            self.remove(model, workers)
            raise ServingError(f"{model.title} cannot be served: {problem}")

    def remove(self, model: ServedModel, workers: Sequence[Any] = ()) -> None:
        """See `DetectorService.remove`."""
        for worker in workers:
            worker.unload.remote(model.ref.key)

    def retain(self, models: Sequence[ServedModel]) -> None:
        """See `DetectorService.retain`; workers let go of what their cameras do not use."""

    def states(
        self,
        models: Sequence[ServedModel],
        metrics: Mapping[str, InferenceMetrics],
        faults: Mapping[str, str],
    ) -> list[ModelState]:
        """See `DetectorService.states`; a version is as well as the workers say."""
        return [
            ModelState(
                "UNHEALTHY" if model.ref.key in faults else "RUNNING",
                metrics.get(model.ref.key, InferenceMetrics()).provider or "unknown",
            )
            for model in models
        ]


def _outcome(pending: object) -> str:
    """What is wrong according to a process that loads a version."""
    try:
        return str(wait_for(pending, LOAD_TIMEOUT_S))
    except ActorDiedError:
        return ""  # The worker that replaces it loads what its cameras need.
    except RayError as error:
        return last_line(error)
