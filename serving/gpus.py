"""Shares of the GPUs that Ray reserves.

Ray hides every GPU from a process that reserves none of it, so whoever may use one has to reserve
something even where it does not mind to share. Something stays free for versions that join later.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import ray

from serving.errors import ServingError
from serving.nodes import this_node
from serving.served_models import ServedModel

FREE_GPUS = 0.1
"""Share of the GPUs that the first models leave to versions that join later."""
ROLLOUT_GPUS = 0.01
"""Share of a GPU that Ray reserves for a version that joins later: a place, not a limit."""


def gpus_of_cluster() -> float:
    """GPUs that Ray sees, on all machines."""
    return float(ray.cluster_resources().get("GPU", 0.0))  # type: ignore[no-untyped-call]


def gpus_here() -> float:
    """GPUs of this machine that Ray sees; with a Ray of the city's own, those of the cluster."""
    return gpus_of(this_node())


def gpus_of(node: str) -> float:
    """GPUs of the machine with this id that Ray sees."""
    nodes = ray.nodes()  # type: ignore[no-untyped-call]
    return sum(float(one["Resources"].get("GPU", 0.0)) for one in nodes if one["NodeID"] == node)


def equal_share(gpus: float, processes: int) -> float:
    """What each of some processes reserves, whole hundredths of a GPU."""
    usable = gpus * (1 - FREE_GPUS)
    return min(1 - FREE_GPUS, math.floor(usable / processes * 100) / 100) if processes else 0.0


def gpu_to_decode(reserved: float, gpus: float) -> float:
    """What a process reserves that decodes on a GPU too.

    Nothing more where Ray sees no GPU: it would wait for one for ever. Its cameras say so instead.
    """
    return max(reserved, ROLLOUT_GPUS) if gpus else reserved


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
