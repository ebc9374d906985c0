"""The rate governor: keeps rates even across workers when more is asked for than can be inferred.

A worker shares its own detector evenly between its cameras, but a worker of two cameras gets as
much of the processors as one of eight. The governor sees what all of them ask for and get, and
reduces the rates of those that are ahead to slightly more than the common share. So the machine
never idles for it: somebody always has more due frames than he can infer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from pipelines import NO_LOAD, PRIORITIES, Priority, PriorityLoad

MARGIN: Final = 1.025
"""Factor by which a worker may be ahead of the common share."""

REACHED: Final = 0.985
"""Part of its limit from which on a priority counts as limited by it, and by nothing else."""

SATISFIED: Final = 0.97
"""Share from which on a priority counts as given in full; frames come with jitter."""

FIRST_RAISE, MOST_RAISE = 0.02, 0.16
"""By how much a limit is raised, per second, while nothing else keeps the rates down. The raise
doubles every second, as a single one may be due to the jitter of the measured rates."""

YIELD: Final = 0.7
"""How a priority gives way, per second, to a higher one that is not satisfied."""

LEAST_SHARE: Final = 0.02

Loads = Mapping[Priority, PriorityLoad]


class RateGovernor:
    """Chooses the share of its rate that each priority may use in every worker.

    Attributes:
        shares: By priority; 1 where nothing is reduced.
    """

    def __init__(self) -> None:
        self.shares: Mapping[Priority, float] = dict.fromkeys(PRIORITIES, 1.0)
        self._raises = dict.fromkeys(PRIORITIES, FIRST_RAISE)

    @property
    def limits(self) -> bool:
        """Whether any rate is reduced."""
        return any(share < 1.0 for share in self.shares.values())

    def update(self, workers: Sequence[Loads]) -> bool:
        """Takes the newest loads of all workers, once per second; whether shares have changed."""
        before = self.shares
        satisfied = True
        shares: dict[Priority, float] = {}
        for priority in PRIORITIES:
            own = [loads[priority] for loads in workers if priority in loads]
            total = sum(own, NO_LOAD)
            share = self._common(priority, total.room) if len(workers) > 1 else 1.0
            if own and not satisfied and len(workers) > 1:
                share = min(share, max(LEAST_SHARE, before[priority] * YIELD))
            shares[priority] = share
            satisfied &= total.room >= SATISFIED
        self.shares = shares
        return shares != before

    def _common(self, priority: Priority, room: float) -> float:
        """Slightly more than the share that all workers together have room for."""
        limit, more = self.shares[priority], self._raises[priority]
        if room >= REACHED * limit:
            self._raises[priority] = min(MOST_RAISE, 2 * more)
            return min(1.0, limit + more)
        self._raises[priority] = FIRST_RAISE
        return 1.0 if room >= SATISFIED else room * MARGIN
