"""Tells an event that a sink does not want from a sink that is down.

A receiver that refuses everything is down, and nothing that it refuses then is held against any
event. A refusal counts against an event only where the sink has accepted something else, an event
of another camera or a heartbeat, since it was last counted. An event is at fault after enough such
refusals in a row; it is given up only when the sink then accepts the event behind it, see
`pipelines.delivery.courier`. Once an event was given up, others of its type need two refusals only,
until the sink accepts one of that type.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import Final

from pipelines.delivery.sinks.sink import Delivery

OF_KNOWN_TYPE: Final = 2
"""Refusals of an event of a type that the sink is known not to want."""


class Acceptances:
    """How much a sink has accepted, heartbeats included. Safe for use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.count = 0

    def note(self) -> None:
        """Counts one."""
        with self._lock:
            self.count += 1


@dataclass(slots=True)
class _Case:
    """One event that was refused.

    Attributes:
        refusals: Those that count against it.
        accepted: What the sink had accepted by the last one that counted.
    """

    refusals: int
    accepted: int


@dataclass(slots=True)
class Refusals:
    """Counts what speaks against events of one sink. Not thread-safe but for `acceptances`.

    Attributes:
        needed: Refusals that put an event at fault.
        acceptances: What the sink has accepted.
    """

    needed: int
    acceptances: Acceptances = field(default_factory=Acceptances)
    _cases: dict[str, dict[int, _Case]] = field(default_factory=dict)
    _unwanted: set[str] = field(default_factory=set)

    def refused(self, delivery: Delivery) -> bool:
        """Takes note of a refusal.

        Returns:
            Whether it counts against the event.
        """
        cases, now = self._cases.setdefault(delivery.partition, {}), self.acceptances.count
        case = cases.get(delivery.sequence)
        if case is None:
            # What was counted before a restart stays; whether it counts on is seen from now on.
            cases[delivery.sequence] = _Case(delivery.refusals or 1, now)
            return not delivery.refusals
        if now == case.accepted:
            return False
        case.refusals, case.accepted = case.refusals + 1, now
        return True

    def is_at_fault(self, delivery: Delivery) -> bool:
        """Whether the sink has refused it often enough while it accepted others."""
        case = self._cases.get(delivery.partition, {}).get(delivery.sequence)
        if case is None:
            return False
        return case.refusals >= self.needed or (
            self.is_unwanted(delivery) and case.refusals >= OF_KNOWN_TYPE
        )

    def is_unwanted(self, delivery: Delivery) -> bool:
        """Whether an event of its type was given up, and none was accepted since."""
        return bool(self._unwanted) and _type(delivery) in self._unwanted

    def accepted(self, delivery: Delivery) -> None:
        """The sink has it: nothing speaks against what is left of its partition."""
        self.acceptances.note()
        self._cases.pop(delivery.partition, None)
        if self._unwanted:
            self._unwanted.discard(_type(delivery))

    def given_up(self, delivery: Delivery) -> None:
        """It became a dead letter."""
        self._cases.pop(delivery.partition, None)
        self._unwanted.add(_type(delivery))


def _type(delivery: Delivery) -> str:
    return str(delivery.attributes["type"])
