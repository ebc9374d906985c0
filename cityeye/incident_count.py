"""`IncidentCount`: how many incidents a run has seen, whoever was replaced meanwhile.

A worker counts from zero when it starts. So what is added here is how far its counts have grown.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from serving import WorkerState


class IncidentCount:
    """Counts incidents by kind, as far as workers have told of them.

    Attributes:
        by_kind: How many so far.
    """

    def __init__(self, before: Mapping[str, int] | None = None) -> None:
        """`before` are those of an earlier city process of the same run."""
        self.by_kind: Counter[str] = Counter(before or {})
        self._seen: dict[tuple[int, str], Mapping[str, int]] = {}

    def add(self, workers: Sequence[WorkerState]) -> list[tuple[str, str]]:
        """Adds what is new in the newest snapshots, however old those are.

        Returns:
            Camera and kind of each new incident, in the order of the cameras.
        """
        found: list[tuple[str, str]] = []
        for state in workers:
            for camera in state.snapshot.group.cameras if state.snapshot else ():
                # Incarnations belong to one worker; a camera that is opened anew counts anew.
                key = (state.incarnation, camera.id)
                before, now = self._seen.get(key, {}), camera.statistics.incidents
                for kind, count in now.items():
                    known = before.get(kind, 0)
                    found += [(camera.id, kind)] * (count - known if count >= known else count)
                self._seen[key] = now
        self.by_kind.update(kind for _, kind in found)
        return found
