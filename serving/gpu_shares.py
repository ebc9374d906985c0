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
RAY_PARTS = 10_000
"""Ray counts ten-thousandths of a GPU."""


def equal_share(gpus: float, processes: int, usable: float = 1 - FREE_GPUS) -> float:
    """What each of some processes reserves of one GPU, so that all GPUs have as many of them.

    Args:
        gpus: How many there are.
        processes: How many are to be spread over them.
        usable: Share of each GPU that they have together.
    """
    if not gpus or not processes:
        return 0.0
    on_each = math.ceil(processes / gpus)
    return math.floor(usable / on_each * RAY_PARTS) / RAY_PARTS


@dataclass(frozen=True, slots=True)
class WorkerGpus:
    """What each camera worker reserves of a GPU.

    Attributes:
        to_infer: For the models that it runs itself.
        to_decode: For the video engines, where it has cameras that need them.
    """

    to_infer: float = 0.0
    to_decode: float = 0.0

    @classmethod
    def of(cls, models: Sequence[ServedModel], gpus: float, workers: int, *, infer: bool) -> Self:
        """Shares of workers that run the models themselves, if `infer`, or have them run elsewhere.

        Raises:
            ServingError: A model must run on a GPU and there is none.
        """
        inferred = any(may_use_gpu(models, gpus))
        free = (FREE_GPUS if inferred else 1.0) - ROLLOUT_GPUS
        return cls(
            equal_share(gpus, workers) if infer and inferred else 0.0,
            equal_share(gpus, workers, free),
        )

    def reserved(self, *, decodes: bool, gpus: float) -> float:
        """What a worker on a machine with so many GPUs reserves.

        Nothing to decode where Ray sees no GPU: it would wait for one for ever. Its cameras say so
        instead.
        """
        if not decodes or not gpus:
            return self.to_infer
        return max(self.to_infer, self.to_decode)


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
