"""`CityBudget`: what the cameras of a city need of its machine, and which of them fit.

Nothing is taken away from cameras that run: of those that are to be added, the ones of the highest
priority are taken first, in the order of the configuration.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from camera_adapters import Size
from pipelines import PRIORITIES, CameraPlan
from serving.capacity.cost import BASE_CORES, Analysis, CameraCost, CostModel, StreamShape

FULL: Final = 0.95
"""Of the cores and GPUs that cameras may need; beyond that frames wait, and grow old. By what a
camera costs in `bench scale`, the largest number in `bench streams` needs 0.96 of two cores."""

ASSUMED: Final = StreamShape(Size(1920, 1080), 25.0)
"""A camera of which nothing is known, in a city where nothing is known of any."""

ASSUMED_SMALLER: Final = StreamShape(Size(640, 360), 15.0)
"""The same of its smaller stream, where it has one: usual for a second stream."""

MOST_NAMED: Final = 8
SAME: Final = 1e-9
"""Sums of the same costs in another order may differ by less."""


@dataclass(frozen=True, slots=True)
class ReadingCost:
    """What it takes to read a camera that runs, measured on its own thread.

    Attributes:
        cores: Cores.
        size: Size of its images.
    """

    cores: float
    size: Size


@dataclass(frozen=True, slots=True)
class CapacityState:
    """How much of a machine a city needs, as far as that can be said.

    Attributes:
        cores: Cores of the machine that a city may use.
        needed_cores: Cores that its cameras need with all that they ask for, its base included.
        gpu: Share of the machine's GPUs that inference needs, 0 without one.
        cameras: How many cameras it has.
        fitting: How many of them fit, those of the lowest priority left out first.
        more: How many further ones of the mean of them would fit.
        assumed: Of how many the stream is not known.
        spread: Of the costs, a share; see `CostModel`.
        nodes: The same of each machine of a cluster, by its name; empty for one machine.
    """

    cores: float
    needed_cores: float
    gpu: float
    cameras: int
    fitting: int
    more: int
    assumed: int
    spread: float
    nodes: Mapping[str, CapacityState] = field(default_factory=dict)

    @property
    def is_full(self) -> bool:
        """Whether not all cameras fit."""
        return self.fitting < self.cameras

    def __str__(self) -> str:
        """A sentence for people."""
        spread = f", give or take {self.spread:.0%}" if self.spread else ""
        who = "1 camera needs" if self.cameras == 1 else f"{self.cameras} cameras need"
        text = f"{who} {self.needed_cores:.2f} of {self.cores:g} cores{spread}"
        if self.gpu:
            text += f" and {self.gpu:.0%} of the GPUs"
        if self.is_full:
            text += f"; {self.fitting} of them fit"
        else:
            text += f"; {self.more} more like them fit"
        if self.assumed:
            text += f" (the streams of {self.assumed} are not known yet)"
        return "; ".join([text, *(f"{name}: {one}" for name, one in self.nodes.items())])


@dataclass(frozen=True, slots=True)
class CityBudget:
    """A machine and what everything costs on it.

    Attributes:
        costs: What everything costs.
        readings: What was measured of cameras that run or ran, by id.
        assumed: What a camera is taken for of which nothing is known.
    """

    costs: CostModel
    readings: Mapping[str, ReadingCost] = field(default_factory=dict)
    assumed: StreamShape = ASSUMED

    def unmeasured(self, plans: Sequence[CameraPlan]) -> list[str]:
        """Every `name/version` that cameras ask for and whose cost is not known."""
        keys = {key for plan in plans for key in Analysis.of(plan).inferences}
        return self.costs.missing(keys)

    def camera(self, plan: CameraPlan) -> CameraCost:
        """What a camera needs. One that never ran is taken for the mean of those that did.

        Raises:
            KeyError: A version was not measured, see `unmeasured`.
        """
        analysis, known = Analysis.of(plan), self.readings.get(plan.camera.id)
        if known is None and not self.readings:
            return self._assumed_cost(plan, analysis)
        known = known or self._mean()
        return self.costs.analysed(known.cores, known.size, analysis)

    def state(self, plans: Sequence[CameraPlan], like: Sequence[CameraPlan] = ()) -> CapacityState:
        """How much the cameras of a city need.

        Further ones are taken for the mean of `like`, of `plans` themselves without any.

        Raises:
            KeyError: A version was not measured, see `unmeasured`.
        """
        each = {plan.camera.id: self.camera(plan) for plan in plans}
        needed = _sum(each.values())
        alike = _sum(self.camera(plan) for plan in like) if like else needed
        count = max(1, len(like or plans))
        mean = CameraCost((alike.cores - BASE_CORES) / count, alike.gpu / count)
        return CapacityState(
            cores=self.costs.cores,
            needed_cores=round(needed.cores, 3),
            gpu=round(needed.gpu, 3),
            cameras=len(each),
            fitting=len(self._first_that_fit(by_priority(plans), each)),
            more=self._room(needed, mean),
            assumed=sum(one not in self.readings for one in each),
            spread=self.costs.spread,
        )

    def refusal(self, running: Sequence[CameraPlan], wanted: Sequence[CameraPlan]) -> str:
        """Why a city cannot have other cameras; empty where it can.

        Whoever asks for no more than before is given it, on a full machine too.

        Args:
            running: The cameras that it has.
            wanted: Those that it is to have.

        Raises:
            KeyError: A version was not measured, see `unmeasured`.
        """
        each = {plan.camera.id: self.camera(plan) for plan in wanted}
        needed = _sum(each.values())
        before = _sum(self.camera(plan) for plan in running)
        asks_more = needed.cores > before.cores + SAME or needed.gpu > before.gpu + SAME
        if self.fits(needed) or not asks_more:
            return ""
        old = {plan.camera.id for plan in running}
        stay = [plan for plan in wanted if plan.camera.id in old]
        added = [plan for plan in by_priority(wanted) if plan.camera.id not in old]
        state = self.state(wanted)
        text = (
            f"this machine has no room for that: {len(each)} cameras would need "
            f"{state.needed_cores:.2f} of {state.cores:g} cores"
        )
        if state.gpu:
            text += f" and {state.gpu:.0%} of the GPUs"
        if added:
            fitting = self._first_that_fit([*stay, *added], each)[len(stay) :]
            text += f"; of the {len(added)} new ones {len(fitting)} fit"
            text += f" ({named(fitting)})" if fitting else ""
        if state.assumed:
            text += f"; {self._assumption(state.assumed, wanted)}"
        return (
            f"{text}; lower `fps`, take a sub-stream, remove tasks or add machines, or write "
            "`capacity: share` so that all rates shrink instead"
        )

    def _assumed_cost(self, plan: CameraPlan, analysis: Analysis) -> CameraCost:
        """What a camera needs of which nothing is known, in a city that knows none."""
        if not plan.camera.main_source:
            return self.costs.camera(self.assumed, analysis)
        cores = self.costs.reading_cores(ASSUMED_SMALLER) + self.costs.receiving_cores(self.assumed)
        return self.costs.analysed(cores, ASSUMED_SMALLER.size, analysis)

    def _assumption(self, count: int, plans: Sequence[CameraPlan]) -> str:
        what = "the mean of those that ran" if self.readings else str(self.assumed)
        if not self.readings and any(plan.camera.main_source for plan in plans):
            what += f", a smaller one beside it as {ASSUMED_SMALLER}"
        return f"the streams of {count} are not known yet and count as {what}"

    def _mean(self) -> ReadingCost:
        """What the cameras that ran have in common."""
        cores = sum(one.cores for one in self.readings.values()) / len(self.readings)
        sizes = [one.size for one in self.readings.values()]
        return ReadingCost(cores, max(set(sizes), key=sizes.count))

    def _room(self, needed: CameraCost, one: CameraCost) -> int:
        """How many more cameras of a cost fit."""
        counts = [(FULL * self.costs.cores - needed.cores) / one.cores] if one.cores else []
        counts += [(FULL - needed.gpu) / one.gpu] if one.gpu else []
        return max(0, math.floor(min(counts, default=0.0) + SAME))

    def fits(self, needed: CameraCost) -> bool:
        """Whether there is room for so much, the base of a city included."""
        return needed.cores <= FULL * self.costs.cores and needed.gpu <= FULL

    def _first_that_fit(
        self, plans: Sequence[CameraPlan], each: Mapping[str, CameraCost]
    ) -> list[str]:
        """Ids of the first cameras that fit together."""
        found: list[str] = []
        needed = CameraCost(BASE_CORES)
        for plan in plans:
            one = each[plan.camera.id]
            needed = CameraCost(needed.cores + one.cores, needed.gpu + one.gpu)
            if not self.fits(needed):
                break
            found.append(plan.camera.id)
        return found


def _sum(costs: Iterable[CameraCost]) -> CameraCost:
    """What cameras need together, with the base of their city."""
    known = list(costs)
    return CameraCost(BASE_CORES + sum(one.cores for one in known), sum(one.gpu for one in known))


def by_priority(plans: Sequence[CameraPlan]) -> list[CameraPlan]:
    """The highest priority first; a camera has that of its foremost task."""
    return sorted(plans, key=lambda p: min(PRIORITIES.index(one.priority) for one in p.tasks))


def named(cameras: Sequence[str]) -> str:
    """The first of some cameras, and how many more there are."""
    more = len(cameras) - MOST_NAMED
    return ", ".join(cameras[:MOST_NAMED]) + (f" and {more} more" if more > 0 else "")
