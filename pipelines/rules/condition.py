"""`Condition` and `Explanation`: why a rule opened an incident, or did not.

Every comparison of a rule is a value against a threshold. Rules hand theirs over with each reading,
so that whoever asks later gets what the rule compared, and not what somebody thinks it does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum, auto

from pipelines.incident import Subject


@dataclass(frozen=True, slots=True)
class Condition:
    """One comparison of a rule.

    Attributes:
        name: What is compared: `vehicles`, `median_speed`.
        value: What it is now; None where this frame does not show it.
        limit: The threshold, usually a parameter of the rule.
        unit: Unit of both, such as `m/s`; `1` for counts and shares.
        at_least: True if the value must reach the threshold, False if it must stay below.
    """

    name: str
    value: float | None
    limit: float
    unit: str = "1"
    at_least: bool = True

    @property
    def holds(self) -> bool | None:
        """Whether it is so; None where that is not known."""
        if self.value is None:
            return None
        return self.value >= self.limit if self.at_least else self.value < self.limit


class SituationStage(StrEnum):
    """How far a situation is."""

    WATCHING = auto()
    CONFIRMING = auto()
    OPEN = auto()
    ENDING = auto()
    COOLING = auto()


@dataclass(frozen=True, slots=True)
class Explanation:
    """What a rule makes of one situation at one place, at one moment.

    Attributes:
        place: Name of the zone or line.
        holds: Whether the condition of the rule holds; None where that cannot be known now.
        conditions: What it was compared with what.
        stage: How far the situation is.
        elapsed_s: How much of the window of this stage is over, seconds.
        needed_s: Length of that window: to confirm, to expire, to cool down; 0 without one.
        subject: Which of several situations at the place, such as `bag at 0.41 0.77`; empty where
            there is one only.
        note: What else decides, in a short sentence.
        subjects: The objects that take part now.
    """

    place: str
    holds: bool | None
    conditions: Sequence[Condition]
    stage: SituationStage
    elapsed_s: float = 0.0
    needed_s: float = 0.0
    subject: str = ""
    note: str = ""
    subjects: Sequence[Subject] = ()


@dataclass(frozen=True, slots=True)
class RuleExplanation:
    """What one rule makes of one moment.

    Attributes:
        kind: Kind of the rule.
        version: Version of the rule.
        armed: Whether it may open incidents then.
        schedule: When it may, for people; empty for always.
        places: Its situations, place by place.
    """

    kind: str
    version: str
    armed: bool
    schedule: str
    places: tuple[Explanation, ...]
