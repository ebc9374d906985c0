"""Shares of the GPUs that Ray reserves.

Ray hides every GPU from a process that reserves none of it, so whoever may use one has to reserve
something even where it does not mind to share. A process gets one GPU, and Ray fills one before it
takes the next: shares are so large that processes are on all of them, as many on each. Something
stays free for versions that join later.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from serving.errors import ServingError
from serving.served_models import ServedModel

FREE_GPUS = 0.1
"""Share of the GPUs that the first models leave to versions that join later."""
ROLLOUT_GPUS = 0.01
"""Share of a GPU that Ray reserves for a version that joins later: a place, not a limit."""
SPREAD_GPUS = 0.001
"""Share of a GPU by which models may leave more than `FREE_GPUS`, as their shares are rounded."""
RAY_PARTS = 10_000
"""Ray counts ten-thousandths of a GPU."""


def equal_share(gpus: float, processes: int) -> float:
    """What each of some processes reserves of one GPU, so that all GPUs have as many of them."""
    if not gpus or not processes:
        return 0.0
    return _whole_parts((1 - FREE_GPUS) / math.ceil(processes / gpus))


@dataclass(frozen=True, slots=True)
class WorkerGpus:
    """What camera workers reserve of a GPU.

    Attributes:
        to_infer: Each of them, for the models that it runs itself.
        workers: How many are spread over the GPUs of a machine; 0 for one that joins later.
        free: Share of each GPU that replicas of models leave.
    """

    to_infer: float = 0.0
    workers: int = 0
    free: float = 1.0

    @classmethod
    def of(cls, models: Sequence[ServedModel], gpus: float, workers: int, *, infer: bool) -> Self:
        """Shares of workers that run the models themselves, if `infer`, or have them run elsewhere.

        Raises:
            ServingError: A model must run on a GPU and there is none.
        """
        inferred = any(may_use_gpu(models, gpus))
        to_infer = equal_share(gpus, workers) if infer and inferred else 0.0
        return cls(to_infer, workers, FREE_GPUS if inferred else 1.0)

    @property
    def later(self) -> WorkerGpus:
        """Those of a worker that joins when the others have taken theirs: a place, not a limit."""
        return WorkerGpus(ROLLOUT_GPUS if self.to_infer else 0.0)

    def reserved(self, gpus_to_decode: float) -> float:
        """What a worker reserves that decodes on a machine with so many GPUs.

        Nothing to decode where Ray sees no GPU: it would wait for one for ever. Its cameras say so
        instead.
        """
        if not gpus_to_decode:
            return self.to_infer
        on_each = math.ceil(self.workers / gpus_to_decode)
        if not on_each:
            return max(self.to_infer, ROLLOUT_GPUS)
        # So much that one more has no room on the same GPU, and hardly more than that.
        spread = self.free / (on_each + 1) + SPREAD_GPUS
        return max(self.to_infer, _whole_parts(min(spread, (self.free - ROLLOUT_GPUS) / on_each)))


def _whole_parts(share: float) -> float:
    """A share in the parts that Ray counts, rounded down."""
    return math.floor(share * RAY_PARTS + 1e-6) / RAY_PARTS


def may_use_gpu(models: Sequence[ServedModel], gpus: float) -> list[bool]:
    """Which of some models may run on a GPU.

    Raises:
        ServingError: One must, and there is none.
    """
    for model in models:
        if model.args.provider == "cuda" and gpus == 0:
            raise ServingError(
                f"{model.title} is to run on a GPU, but Ray sees none here; "
                "check the driver with nvidia-smi, or write provider: cpu"
            )
    return [model.args.provider != "cpu" and gpus > 0 for model in models]
