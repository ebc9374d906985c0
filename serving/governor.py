"""The rate governor: keeps rates even across workers when more is asked for than can be inferred.

A worker shares its own detector evenly between its cameras, but a worker of two cameras gets as
much of the processors as one of eight. The governor sees what all of them ask for and get, and
reduces the rates of those that are ahead to slightly more than the common share. So the machine
never idles for it, as long as whoever is behind can use what others leave.

That is judged and not believed: where a reduction has helped nobody, something else keeps a worker
back (its detector is stuck, a replica is replaced), and the others get their rates again.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from pipelines import LOAD_WINDOW_S, NO_LOAD, PRIORITIES, Priority, PriorityLoad

MARGIN: Final = 1.025
"""Factor by which a worker may be ahead of the common share."""

EVEN: Final = 1.01
"""Factor up to which the foremost worker is not ahead of the common share."""

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

WATCHED_S: Final = 10
"""Seconds after which a reduction has to have helped, longer than loads are averaged for."""

LOWERED: Final = 0.9
"""Factor from which on a limit is so much lower than before that it has to help."""

HELPED: Final = 0.25
"""Part of what was taken from some that others have to have gained then; models differ in cost."""

FIRST_FREE, MOST_FREE = 30, 480
"""For how many seconds nothing is reduced after a reduction that helped nobody; doubles each
time."""

HIGHER: Final = ""
"""Stands for all tasks of higher priorities among the names of workers."""

Loads = Mapping[Priority, PriorityLoad]


@dataclass(slots=True)
class _Limit:
    """The share of its rate that a priority may use, and what came of it.

    Attributes:
        share: 1 where nothing is reduced.
        past: The shares of the time that loads are averaged over.
        step: By how much it is raised next.
        free: For how many seconds it must not be lowered.
        next_free: For how many it must not be after the next failure.
        judged: Since how many seconds it is watched whether a reduction helps; the limit, and how
            many images per second everybody got, at that time.
    """

    share: float = 1.0
    past: deque[float] = field(default_factory=lambda: deque([1.0], round(LOAD_WINDOW_S)))
    step: float = FIRST_RAISE
    free: int = 0
    next_free: int = FIRST_FREE
    judged: tuple[int, float, Mapping[str, float]] | None = None

    def set(self, share: float, got: Mapping[str, float]) -> None:
        """Takes the wanted share, of 0..1, and how many images per second everybody gets now."""
        self.free = max(0, self.free - 1)
        if self.free:
            share = 1.0
        if share == 1.0:
            self.judged = None
        elif self.judged is None:
            self.judged = (0, self.share, got)
        else:
            share = self._judge(share, got, *self.judged)
        self.share = share
        self.past.append(share)

    def _judge(
        self,
        share: float,
        got: Mapping[str, float],
        age: int,
        before: float,
        had: Mapping[str, float],
    ) -> float:
        if age < WATCHED_S:
            self.judged = (age + 1, before, had)
            return share
        changes = [fps - had.get(name, 0.0) for name, fps in got.items()]
        gained = sum(max(0.0, change) for change in changes)
        lost = sum(max(0.0, -change) for change in changes)
        helped = gained >= HELPED * lost
        if share <= LOWERED * before and not helped:
            self.free, self.next_free = self.next_free, min(MOST_FREE, 2 * self.next_free)
            self.judged = None
            return 1.0
        if helped:
            self.next_free = FIRST_FREE
        self.judged = (0, share, got)
        return share

    def common(self, room: float, foremost: float) -> float:
        """Slightly more than the share that all workers have room for; `foremost` has the most."""
        if room >= REACHED * sum(self.past) / len(self.past):
            step, self.step = self.step, min(MOST_RAISE, 2 * self.step)
            return min(1.0, self.share + step)
        self.step = FIRST_RAISE
        if room >= SATISFIED:
            return 1.0
        # Where all get equally little, nobody takes anything from anybody.
        return room * MARGIN if foremost > room * EVEN else self.share


class RateGovernor:
    """Chooses the share of its rate that each priority may use in every worker.

    Attributes:
        shares: By priority; 1 where nothing is reduced.
    """

    def __init__(self) -> None:
        self._limits: Mapping[Priority, _Limit] = {one: _Limit() for one in PRIORITIES}
        self.shares: Mapping[Priority, float] = dict.fromkeys(PRIORITIES, 1.0)

    @property
    def limits(self) -> bool:
        """Whether any rate is reduced."""
        return any(share < 1.0 for share in self.shares.values())

    def update(self, workers: Mapping[str, Loads]) -> bool:
        """Takes the newest loads of all workers by name, once per second.

        Returns:
            Whether shares have changed.
        """
        before = self.shares
        satisfied, higher_fps = True, 0.0
        for priority, limit in self._limits.items():
            own = {name: loads[priority] for name, loads in workers.items() if priority in loads}
            total = sum(own.values(), NO_LOAD)
            share = 1.0
            if len(workers) > 1:
                rooms = [load.room for load in own.values() if load.asked_fps > 0]
                share = limit.common(total.room, max(rooms, default=1.0))
                if own and not satisfied:
                    share = min(share, max(LEAST_SHARE, limit.share * YIELD))
            got = {name: load.taken_fps for name, load in own.items()}
            limit.set(share, {**got, HIGHER: higher_fps})
            satisfied &= total.room >= SATISFIED
            higher_fps += total.taken_fps
        self.shares = {priority: limit.share for priority, limit in self._limits.items()}
        return self.shares != before


class NodeGovernors:
    """A governor for those workers that share processors: of each machine, or all of a city.

    What a worker leaves helps nobody on another machine, unless detectors are shared by all.
    """

    def __init__(self, *, by_node: bool) -> None:
        """`by_node` is whether each worker infers on its own machine."""
        self._by_node = by_node
        self._governors: dict[str, RateGovernor] = {}

    def of(self, node: str) -> RateGovernor:
        """That of the workers on a machine, by its id."""
        return self._governors.setdefault(node if self._by_node else "", RateGovernor())

    def update(
        self, workers: Mapping[str, tuple[str, Loads]]
    ) -> Mapping[str, Mapping[Priority, float]]:
        """Takes the newest loads of all workers by name, once per second.

        Args:
            workers: The id of the machine of each, and its loads.

        Returns:
            The shares of those whose rates are reduced, or were until now.
        """
        groups: defaultdict[str, dict[str, Loads]] = defaultdict(dict)
        for name, (node, loads) in workers.items():
            groups[node if self._by_node else ""][name] = loads
        shares: dict[str, Mapping[Priority, float]] = {}
        for node, own in groups.items():
            governor = self.of(node)
            if governor.update(own) or governor.limits:
                shares |= dict.fromkeys(own, governor.shares)
        return shares
