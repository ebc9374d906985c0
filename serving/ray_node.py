"""`RayNode`: the Ray of this machine as the city uses it, and the words for which Ray that is."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final, Protocol

OWN_RAY: Final = "local"
"""A Ray of this machine alone, where the address of a cluster may be."""

JOINED_RAY: Final = "auto"
"""The cluster that this machine has joined."""


class RayNode(Protocol):
    """The Ray of this machine, as the city uses it.

    Attributes:
        control_service: `HOST:PORT` of that of a cluster; empty where Ray is the city's own.
    """

    control_service: str

    def lost(self) -> str:
        """Why nothing works any more, in a sentence; empty while Ray is there."""
        ...

    def check_exposure(self, allowed: Collection[tuple[str, int]]) -> None:
        """Refuses to go on where others than configured can reach what the city has started.

        Raises:
            ClusterError: So it is; the text says what.
        """
        ...

    def stop(self) -> None:
        """Ends what the city has on Ray, and Ray itself where it is the city's own."""
        ...
