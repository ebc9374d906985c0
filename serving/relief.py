"""`Relief`: which worker goes to another machine, as its cameras get less than they ask for.

So load goes to a machine that came. What runs well stays where it is: a move costs its cameras some
seconds. One worker goes at a time, and only where its machine is then less crowded than the one it
left has been; so with the same cameras none ever goes back and forth.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Final

from pipelines import OVERLOADED
from serving.nodes import CameraNode, PlacedShare

LIMITED_S: Final = 30.0
"""For so long cameras have to get too little; a start and a reconnection are shorter."""

SETTLE_S: Final = 30.0
"""How long what a move has done is left to show, until another worker goes."""


@dataclass(frozen=True, slots=True)
class PlacedLoad:
    """A worker and how its cameras fare.

    Attributes:
        share: Its cameras, and where it is.
        room: The share of what they ask for that there is room for; of the priority with the least.
    """

    share: PlacedShare
    room: float

    @property
    def is_limited(self) -> bool:
        """Whether its cameras get less than they ask for."""
        return self.room < OVERLOADED


class Relief:
    """Those of one city. To be asked once a second; not thread-safe."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """`clock` gives monotonic seconds."""
        self._clock = clock
        self._limited_since: dict[str, float] = {}
        self._not_before_s = float("-inf")

    def next(
        self, workers: Mapping[str, PlacedLoad], nodes: Collection[CameraNode]
    ) -> tuple[str, CameraNode] | None:
        """The worker that is to go to another machine now, and that machine.

        Args:
            workers: All by name, with where they are.
            nodes: The machines to which a worker may go.
        """
        now_s = self._clock()
        limited = {name for name, one in workers.items() if one.is_limited}
        since = {name: self._limited_since.get(name, now_s) for name in limited}
        self._limited_since = since
        if now_s < self._not_before_s:
            return None
        short = [name for name in limited if now_s - since[name] >= LIMITED_S]
        crowded = {workers[name].share.node for name in limited}
        free = [node for node in nodes if node.id not in crowded]
        for name in sorted(short, key=lambda one: (workers[one].room, one)):
            target = _better(workers[name].share, workers, nodes, free)
            if target is not None:
                self._not_before_s = now_s + SETTLE_S
                self._limited_since = {}
                return name, target
        return None


def _better(
    share: PlacedShare,
    workers: Mapping[str, PlacedLoad],
    nodes: Collection[CameraNode],
    free: Collection[CameraNode],
) -> CameraNode | None:
    """The machine that would be the least crowded with a share, if less than its own is now."""
    by_id = {node.id: node for node in nodes}
    taken = dict.fromkeys(by_id, 0.0)
    for one in workers.values():
        if one.share.node in by_id:
            taken[one.share.node] += one.share.part_of(by_id[one.share.node])
    if share.node not in by_id:
        return None

    def crowd(node: CameraNode) -> float:
        return taken[node.id] + share.part_of(node)

    best = min(share.fits(free), key=crowd, default=None)
    return best if best and crowd(best) < taken[share.node] else None
