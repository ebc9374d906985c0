"""Which fault comes when: drawn from a seed, so that a run can be repeated and gone on with.

Each fault draws its target, length and gap from the seed and its own index alone. A run that begins
at a later index therefore meets the same faults that a run from the start meets there.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

GAP_S: Final = (0.5, 6.0)
TOGETHER: Final = 0.15
"""Share of faults that come while the one before is still there."""


@dataclass(frozen=True, slots=True)
class PlannedFault:
    """One fault of a schedule.

    Attributes:
        index: Its place, from 0.
        kind: Name of the kind.
        draw: A number of 0..1 that picks the target among those that there are.
        hold: A number of 0..1: the length within what the kind allows.
        gap_s: Seconds of calm before it.
        together: Whether it comes while the one before is still there.
    """

    index: int
    kind: str
    draw: float
    hold: float
    gap_s: float
    together: bool


def planned_faults(seed: int, least: Mapping[str, int]) -> tuple[PlannedFault, ...]:
    """A schedule in which every kind comes as often as `least` says, in an order of the seed."""
    kinds = [kind for kind in sorted(least) for _ in range(least[kind])]
    random.Random(f"{seed}/order").shuffle(kinds)  # noqa: S311 - repeatable on purpose
    return tuple(_planned(seed, index, kind) for index, kind in enumerate(kinds))


def _planned(seed: int, index: int, kind: str) -> PlannedFault:
    drawn = random.Random(f"{seed}/{index}/{kind}")  # noqa: S311 - repeatable on purpose
    return PlannedFault(
        index=index,
        kind=kind,
        draw=drawn.random(),
        hold=drawn.random(),
        gap_s=drawn.uniform(*GAP_S),
        together=index > 0 and drawn.random() < TOGETHER,
    )


def in_groups(faults: Sequence[PlannedFault]) -> list[list[PlannedFault]]:
    """Faults that are there at the same time, two at most, in the order of the schedule."""
    groups: list[list[PlannedFault]] = []
    for fault in faults:
        if fault.together and groups and len(groups[-1]) == 1:
            groups[-1].append(fault)
        else:
            groups.append([fault])
    return groups


def missing(least: Mapping[str, int], kinds: Iterable[str]) -> dict[str, int]:
    """How many faults of each kind are missing, of those that did not come often enough."""
    counts = Counter(kinds)
    return {kind: wanted - counts[kind] for kind, wanted in least.items() if counts[kind] < wanted}
