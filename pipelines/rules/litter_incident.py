"""`LitterIncident`: an incident about things that lie near each other, from its opening to its end.

A thing is known only after it has lain for a while, and what came before is known too: so the
incident begins when the thing came, and opens at once when that is long enough ago.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from datetime import timedelta
from typing import Final

from models.detections import Box
from pipelines.incident import EndReason, Transition
from pipelines.rules.condition import Explanation
from pipelines.rules.ground_scale import GroundScale
from pipelines.rules.lying_thing import LyingThing
from pipelines.rules.rule import Identity, Moment, RuleParameters
from pipelines.rules.situation import Reading, Situation

MOST_PAST_S: Final = 300.0
STEP_S: Final = (0.5, 8.0)
"""Least and greatest step in which what came before is gone through."""


class LitterIncident:
    """One incident, and the things that it is about.

    Attributes:
        things: Those that have belonged to it.
        since_s: When the first of them came, monotonic seconds.
    """

    def __init__(
        self, identity: Identity, parameters: RuleParameters, things: Iterable[LyingThing]
    ) -> None:
        """Takes the things that make it; `open` opens it."""
        self._identity = identity
        self._parameters = parameters
        self._situation = Situation(identity, parameters)
        self.things: list[LyingThing] = []
        self._boxes: list[Box] = []
        self.since_s = math.inf
        self.add(things)

    @property
    def is_open(self) -> bool:
        """Whether it is going on."""
        return self._situation.is_open

    @property
    def lies(self) -> bool | None:
        """Whether any of its things lies there now; None where this frame shows none of them."""
        said = [thing.lies for thing in self.things]
        return True if True in said else None if None in said else False

    @property
    def lying(self) -> list[LyingThing]:
        """The things that have not gone."""
        return [thing for thing in self.things if thing.lies is not False]

    def add(self, things: Iterable[LyingThing]) -> None:
        """Takes more things; each is kept in memory until the incident is over."""
        for thing in things:
            if thing not in self.things:
                self.things.append(thing)
                self._boxes.append(thing.box)
                thing.is_kept = True
                self.since_s = min(self.since_s, thing.since_s)

    def is_near(self, thing: LyingThing, scale: GroundScale, most_m: float) -> bool:
        """Whether a thing lies within `most_m` metres of one of its things."""
        boxes = [*self._boxes, *(one.box for one in self.lying)]
        return any(scale.distance_m(thing.box, box, thing.aspect) <= most_m for box in boxes)

    def is_cool(self, at_s: float) -> bool:
        """Whether it is over, and its cool-down too."""
        return not self.is_open and self._situation.is_cool(at_s)

    def open(
        self, reading: Reading, since_s: float, at: Moment, interval_s: float
    ) -> list[Transition]:
        """Opens it, with its beginning in the past.

        Args:
            reading: What the frame shows; it must hold.
            since_s: Since when it has held, monotonic seconds.
            at: The frame.
            interval_s: The usual time between two frames.
        """
        past_s = min(max(at.mono_s - since_s, 0.0), MOST_PAST_S)
        self._situation = Situation(
            self._identity, self._parameters.model_copy(update={"confirm_s": past_s})
        )
        least_s, most_s = STEP_S
        steps = math.ceil(past_s / min(max(interval_s, least_s), most_s))
        for step in range(steps):
            ago = timedelta(seconds=past_s * (1 - step / steps))
            then = Moment(at.utc - ago, at.mono_s - ago.total_seconds())
            self._situation.observe(reading, then)
        return self._situation.observe(reading, at)

    def observe(self, reading: Reading, at: Moment) -> list[Transition]:
        """Takes a reading of the open incident; its things are let go of when it ends."""
        transitions = self._situation.observe(reading, at)
        if not self.is_open:
            self._release()
        return transitions

    def close(self, reason: EndReason, at: Moment) -> list[Transition]:
        """Ends it, if it is open."""
        transitions = self._situation.close(reason, at)
        self._release()
        return transitions

    def explain(self, at: Moment, subject: str) -> Explanation:
        """What the newest reading was, and how far it is."""
        return self._situation.explain(at, subject)

    def _release(self) -> None:
        for thing in self.things:
            thing.is_kept = False
            thing.is_litter = False
