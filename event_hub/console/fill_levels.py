"""How full what the hub and its city keep is, against the limits of retention."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final

from pydantic import ValidationError

from event_hub.answers import Health
from event_hub.city_control import CityControl, ControlAway
from event_hub.console.control_records import ControlRecord

logger = logging.getLogger(__name__)

OK: Final = 200
KINDS: Final = (
    "keyframes",
    "restricted",
    "models",
    "events",
    "coverage",
    "logs",
    "comparisons",
    "damaged outboxes",
)
"""What a city keeps; what each worker keeps has the worker's name before it."""


class _Kept(ControlRecord):
    name: str
    used_bytes: int
    oldest: date | None
    max_bytes: int | None
    max_days: float | None


class _CityHealth(ControlRecord):
    kept: tuple[_Kept, ...]


@dataclass(frozen=True, slots=True)
class FillLevel:
    """What is kept of one kind.

    Attributes:
        name: One of `KINDS`, or `hub`; another one as the control API has it.
        oldest: Day (or time, of the hub's events) of the oldest thing; None where there is none.
        places: How many workers keep it; the fullest of them is meant.
    """

    name: str
    used_bytes: int
    max_bytes: int | None
    max_days: float | None
    oldest: date | datetime | None
    places: int = 1

    @property
    def share(self) -> float | None:
        """Of the bytes that it may have; None without a limit."""
        return self.used_bytes / self.max_bytes if self.max_bytes else None


def hub_level(health: Health) -> FillLevel:
    """What the hub keeps of events."""
    oldest = health.oldest_received_at
    return FillLevel("hub", health.bytes, health.max_bytes, health.max_days, oldest)


class CityLevels:
    """What a city keeps, by its control API.

    Attributes:
        latest: None before the first reading, and where it failed.
        is_away: Whether the newest reading failed.
    """

    def __init__(self, control: CityControl) -> None:
        self.latest: tuple[FillLevel, ...] | None = None
        self.is_away = False
        self._control = control

    def read(self) -> None:
        """Reads everything anew; takes seconds where the control API is slow."""
        try:
            answer = self._control.get(("health",))
            if answer.status != OK:
                raise ControlAway(f"the control API answers {answer.status} to health")
            kept = _CityHealth.model_validate_json(answer.body).kept
        except (ControlAway, ValidationError) as error:
            logger.warning("fill_levels_not_read error=%s", error)
            self.latest, self.is_away = None, True
        else:
            self.latest, self.is_away = tuple(_fullest(kept)), False


def _fullest(kept: Iterable[_Kept]) -> Iterable[FillLevel]:
    """One level for each kind: that of the worker which has the least room left."""
    found: dict[str, list[FillLevel]] = {}
    for one in kept:
        kind = next((kind for kind in KINDS if f" {one.name}".endswith(f" {kind}")), one.name)
        level = FillLevel(kind, one.used_bytes, one.max_bytes, one.max_days, one.oldest)
        found.setdefault(kind, []).append(level)
    for levels in found.values():
        most = max(levels, key=lambda one: (one.share or 0.0, one.used_bytes))
        yield FillLevel(
            most.name, most.used_bytes, most.max_bytes, most.max_days, most.oldest, len(levels)
        )
