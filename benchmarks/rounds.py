"""Interleaved rounds: contestants are measured in turns, A B A B, so that noise hits all of them.

Every sample is kept. What is compared is the ratio within a round, because a busy neighbour or a
changed clock rate lasts longer than a round and cancels there.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

Quantities = Mapping[str, float]
"""What one measurement gives, by name, such as `images_per_s` and `cpu_ms`."""

Contestant = Callable[[], Quantities]
"""Measures once, for the length of a round; gives the same names every time."""

OnRound = Callable[[int, Mapping[str, Quantities]], object]
"""Called after each round with its number, from 1, and what each contestant gave."""


@dataclass(frozen=True, slots=True)
class Spread:
    """The middle of some samples and how far they lie apart.

    Attributes:
        median: Their median.
        low: Their lower quartile.
        high: Their upper quartile.
        least: The least.
        most: The greatest.
    """

    median: float
    low: float
    high: float
    least: float
    most: float

    @classmethod
    def of(cls, samples: Sequence[float]) -> Spread:
        """The spread of at least one sample; quartiles are interpolated between samples.

        Raises:
            statistics.StatisticsError: There is no sample.
        """
        median = statistics.median(samples)
        low, high = median, median
        if len(samples) > 1:
            low, _, high = statistics.quantiles(samples, n=4, method="inclusive")
        return cls(median, low, high, min(samples), max(samples))

    def text(self, digits: int = 2) -> str:
        """`MEDIAN (LEAST to MOST)`."""
        return f"{self.median:.{digits}f} ({self.least:.{digits}f} to {self.most:.{digits}f})"


@dataclass(frozen=True, slots=True)
class Rounds:
    """What the contestants gave in each round.

    Attributes:
        rounds: One mapping per round, from the contestant to its quantities.
    """

    rounds: Sequence[Mapping[str, Quantities]]

    @property
    def contestants(self) -> tuple[str, ...]:
        """Their names, in the order in which they are measured."""
        return tuple(self.rounds[0]) if self.rounds else ()

    def samples(self, contestant: str, quantity: str) -> tuple[float, ...]:
        """A quantity of a contestant, round by round."""
        return tuple(one[contestant][quantity] for one in self.rounds)

    def spread(self, contestant: str, quantity: str) -> Spread:
        """The spread of a quantity of a contestant over the rounds."""
        return Spread.of(self.samples(contestant, quantity))

    def ratios(self, contestant: str, baseline: str, quantity: str) -> tuple[float, ...]:
        """A contestant's quantity over the baseline's, round by round; 0 where that is 0."""
        return tuple(
            one[contestant][quantity] / one[baseline][quantity] if one[baseline][quantity] else 0.0
            for one in self.rounds
        )


def interleave(
    contestants: Mapping[str, Contestant], rounds: int, on_round: OnRound | None = None
) -> Rounds:
    """Measures each contestant once per round, always in the given order.

    Args:
        contestants: What to measure, by name. Whatever must be warm is warmed up before.
        rounds: How often.
        on_round: Called when a round is complete.
    """
    done: list[Mapping[str, Quantities]] = []
    for number in range(1, rounds + 1):
        done.append({name: contestant() for name, contestant in contestants.items()})
        if on_round is not None:
            on_round(number, done[-1])
    return Rounds(done)
