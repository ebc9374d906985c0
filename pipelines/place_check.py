"""`PlaceCheck`: whether something that was reported is still seen at its place, now.

It asks the rules what they made of the newest frame, and not whether an incident is open: that goes
on for a while after what it was about is over, and may have ended with the view of its place.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from pipelines.rules.condition import Explanation, RuleExplanation, SituationStage
from pipelines.rules.rule import Moment

FRESH_S: Final = 60.0
"""A frame that is older says nothing about now; the slowest tasks analyse one in half of that."""

GOING_ON: Final = frozenset({SituationStage.OPEN, SituationStage.ENDING})


@dataclass(frozen=True, slots=True)
class PlaceCheck:
    """What the rules for one kind of incident make of one place now.

    Attributes:
        holds: Whether it is still seen; None where that cannot be known, and `reason` says why.
        at: When the newest analysed frame was captured; None without any.
        situations: How many at the place are still seen.
    """

    holds: bool | None
    at: datetime | None = None
    situations: int = 0
    reason: str = ""


def place_check(
    rules: Iterable[RuleExplanation], place: str, at: Moment | None, view: str, now_s: float
) -> PlaceCheck:
    """What rules say of a place.

    Args:
        rules: All of the camera for one kind of incident, after its newest frame.
        place: Name of the zone or line.
        at: When that frame was captured; None before the first one.
        view: Why the image does not show the place; empty where it does.
        now_s: Monotonic time.
    """
    watching = list(rules)
    if at is None:
        return PlaceCheck(None, reason="no frame has been analysed yet")
    if not watching:
        return PlaceCheck(None, at.utc, reason="no rule of the camera is for this kind")
    if view:
        return PlaceCheck(None, at.utc, reason=f"the image does not show the place: {view}")
    if now_s - at.mono_s > FRESH_S:
        return PlaceCheck(None, at.utc, reason=f"no frame for {now_s - at.mono_s:.0f} s")
    if not any(rule.armed for rule in watching):
        return PlaceCheck(None, at.utc, reason="the rule is not armed now")
    said = [one for rule in watching for one in rule.places if one.place == place]
    return _of_situations(said, at.utc)


def _of_situations(said: Iterable[Explanation], at: datetime) -> PlaceCheck:
    situations = list(said)
    seen = [one for one in situations if one.holds]
    if seen:
        return PlaceCheck(True, at, len(seen))
    if any(one.holds is None and one.stage in GOING_ON for one in situations):
        return PlaceCheck(None, at, reason="it is hidden now")
    return PlaceCheck(False, at)
