"""How full what the hub and its city keep is, against the limits of retention."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final

from pydantic import TypeAdapter

from event_hub.answers import Health
from event_hub.console.control_reading import ControlReading
from event_hub.console.control_records import ControlRecord

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


HEALTH: Final = TypeAdapter(_CityHealth)


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


class CityLevels(ControlReading[tuple[FillLevel, ...]]):
    """What a city keeps."""

    def _read(self) -> tuple[FillLevel, ...]:
        return tuple(_fullest(self.ask(HEALTH, "health").kept))


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
