"""The GPUs that Ray sees."""

from __future__ import annotations

import ray

from serving.nodes import this_node


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
