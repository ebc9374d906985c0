"""The kinds of detectors that a city can use. A new kind is a file of its own and a line here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal, Protocol, get_args

from pipelines import DetectorPort, InferenceMetrics
from serving.gpu_shares import WorkerGpus
from serving.served_models import ModelState, ServedModel

DetectorKind = Literal["ray_serve", "in_process"]
"""`ray_serve` shares every model between all workers; `in_process` puts it into each of them."""

DETECTOR_KINDS: Final[tuple[DetectorKind, ...]] = get_args(DetectorKind)


class DetectorService(Protocol):
    """How the model versions of a city run: everything that depends on the kind of detector."""

    def port(self, models: Mapping[str, ServedModel]) -> DetectorPort:
        """What a process infers with.

        Args:
            models: The versions that may be asked for by `name/version`. The caller adds to them
                later; those that are there now are ready before this returns.
        """
        ...

    def worker_gpus(self, models: Sequence[ServedModel], workers: int) -> WorkerGpus:
        """What each of some camera workers reserves of a GPU.

        Raises:
            ServingError: A model must run on a GPU and there is none.
        """
        ...

    def deploy(self, models: Sequence[ServedModel]) -> None:
        """Makes the first versions run, before there is any worker.

        Raises:
            ServingError: One does not; the text names model, version and cause.
        """
        ...

    def launch(self, model: ServedModel, workers: Sequence[Any] = ()) -> None:
        """Makes one more version run; returns when it has verified its golden images.

        `workers` are handles of the `CameraWorker` actors.

        Raises:
            ServingError: It does not run; nothing of it is left.
        """
        ...

    def remove(self, model: ServedModel, workers: Sequence[Any] = ()) -> None:
        """Begins to end a version that no camera uses any more.

        Raises:
            ServingError: It cannot be ended now.
        """
        ...

    def retain(self, models: Sequence[ServedModel]) -> None:
        """Begins to end every version that runs beside these."""
        ...

    def states(
        self,
        models: Sequence[ServedModel],
        metrics: Mapping[str, InferenceMetrics],
        faults: Mapping[str, str],
    ) -> list[ModelState]:
        """How versions in service are, in their order.

        Args:
            models: The versions.
            metrics: What all workers asked of each `name/version`.
            faults: Why a `name/version` fails in a worker, for those that do.
        """
        ...


def detector_service(kind: DetectorKind) -> DetectorService:
    """The service of a kind; its libraries are imported only when it is used."""
    if kind == "in_process":
        from serving.worker_detectors import InProcessDetectors

        return InProcessDetectors()
    from serving.launch import RayServeDetectors

    return RayServeDetectors()
