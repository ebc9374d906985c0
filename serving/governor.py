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

MARGIN: Final = 1.03
"""Factor by which a worker may be ahead of the common share."""

SATISFIED: Final = 0.97
"""Share from which on a priority counts as given in full; frames come with jitter."""

STEP_DOWN, STEP_UP = 0.7, 1.15
"""How a priority gives way, per second, to a higher one that is not satisfied, and comes back."""

LEAST_SHARE: Final = 0.02

Loads = Mapping[Priority, PriorityLoad]


class RateGovernor:
    """Chooses the share of its rate that each priority may use in every worker.

    Attributes:
        shares: By priority; 1 where nothing is reduced.
    """

    def __init__(self) -> None:
        self.shares: Mapping[Priority, float] = dict.fromkeys(PRIORITIES, 1.0)

    @property
    def limits(self) -> bool:
        """Whether any rate is reduced."""
        return any(share < 1.0 for share in self.shares.values())

    def update(self, workers: Sequence[Loads]) -> bool:
        """Takes the newest loads of all workers, once per second; whether shares have changed."""
        shares: dict[Priority, float] = {}
        satisfied = True
        for priority in PRIORITIES:
            own = [loads[priority] for loads in workers if priority in loads]
            total = sum(own, NO_LOAD)
            share = 1.0
            if len(workers) > 1 and total.share < SATISFIED:
                share = min(1.0, total.share * MARGIN)
            before = self.shares[priority]
            if not satisfied:
                share = min(share, max(LEAST_SHARE, before * STEP_DOWN))
            elif before < share:
                share = min(share, before * STEP_UP)
            shares[priority] = share
            satisfied &= total.share >= SATISFIED
        changed = shares != self.shares
        self.shares = shares
        return changed
