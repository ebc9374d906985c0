"""`CameraNode`: a machine of the Ray cluster that may watch cameras, and which worker goes where.

A worker stays where it is for as long as its node lives: a node that comes is used by what has no
place yet, and nothing that runs well moves to it. A node without a whole core for Ray, as the head
of a cluster should be, watches nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import ray

LEAST_CORES: Final = 1.0
"""A node that offers Ray fewer has other work, or none."""


@dataclass(frozen=True, slots=True)
class CameraNode:
    """A machine that may watch cameras.

    Attributes:
        id: Ray's id of it, another one after each start of Ray on it.
        name: What it is called in Ray, its address without another name.
        cores: What it offers Ray.
        gpus: The same.
        labels: Those that it was started with (`ray start --labels`).
    """

    id: str
    name: str
    cores: float
    gpus: float = 0.0
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PlacedShare:
    """What decides about the place of a worker.

    Attributes:
        cameras: How many it has.
        labels: What its node has to be labelled with.
        node: The id of its node; empty where it has none yet.
        decodes_on_gpu: Whether it is of use on a node with a GPU alone, if there is one.
        parts: Which part of each node's cores its cameras need, by the node's id; empty where that
            was not measured, for all shares alike.
    """

    cameras: int
    labels: Mapping[str, str]
    node: str = ""
    decodes_on_gpu: bool = False
    parts: Mapping[str, float] = field(default_factory=dict)

    def part_of(self, node: CameraNode) -> float:
        """How much of a node it takes: of its cores, or cameras per core where not measured."""
        return self.parts.get(node.id, self.cameras / node.cores)

    def fits(self, nodes: Collection[CameraNode]) -> list[CameraNode]:
        """Those of some nodes that may have it. Without any GPU its cameras say so themselves."""
        labelled = [node for node in nodes if self.labels.items() <= node.labels.items()]
        with_gpu = [node for node in labelled if node.gpus]
        return with_gpu if self.decodes_on_gpu and with_gpu else labelled


def living_nodes() -> dict[str, CameraNode]:
    """Those that Ray takes for alive, by id."""
    found = {}
    nodes: Sequence[Mapping[str, Any]] = ray.nodes()  # type: ignore[no-untyped-call]
    for one in nodes:
        resources = one["Resources"]
        cores = float(resources.get("CPU", 0.0))
        if one["Alive"] and cores >= LEAST_CORES:
            name = one.get("NodeName") or one["NodeManagerAddress"]
            gpus = float(resources.get("GPU", 0.0))
            node = CameraNode(one["NodeID"], str(name), cores, gpus, dict(one.get("Labels") or {}))
            found[node.id] = node
    return found


def this_node() -> str:
    """Ray's id of the machine that this process is on."""
    return str(ray.get_runtime_context().get_node_id())


def places(
    shares: Mapping[str, PlacedShare], nodes: Collection[CameraNode]
) -> Mapping[str, str | None]:
    """The node of each worker, by its name; None where no node may have it.

    What has a node that lives keeps it. The others go, the largest first, to the node whose cores
    are then used least, by what was measured or by number of cameras.

    Args:
        shares: The workers by name, with where they are now.
        nodes: Those that live, the preferred one of equal ones first.
    """
    found: dict[str, str | None] = {}
    taken = dict.fromkeys((node.id for node in nodes), 0.0)
    by_id = {node.id: node for node in nodes}
    for name, share in shares.items():
        if share.node in taken:
            found[name] = share.node
            taken[share.node] += share.part_of(by_id[share.node])
    waiting = [name for name in shares if name not in found]
    for name in sorted(waiting, key=lambda one: -shares[one].cameras):
        share = shares[name]
        fit = share.fits(nodes)
        if not fit:
            found[name] = None
            continue
        best = min(fit, key=lambda node: taken[node.id] + share.part_of(node))
        found[name] = best.id
        taken[best.id] += share.part_of(best)
    return found
