"""Which signals of the image there are, and what they said of the newest frame."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from pipelines.signals.motion import Motion
from pipelines.signals.static_change import StaticChange
from pipelines.signals.view_state import ViewFault


class Signal(StrEnum):
    """What a kind of rule may declare, and a camera may ask for, beside tracks."""

    IMAGE = "image"
    VIEW = "view"
    MOTION = "motion"
    STATIC_CHANGE = "static_change"


@dataclass(frozen=True, slots=True, eq=False)
class Signals:
    """What the image says beside boxes.

    Attributes:
        view: Why the camera does not see its place; None where it does, or is not asked.
        motion: What moves; None before the second frame, or where nobody asks.
        static_changes: What was added to the place or taken away, and stays.
    """

    view: ViewFault | None = None
    motion: Motion | None = None
    static_changes: tuple[StaticChange, ...] = ()


NO_SIGNALS: Final = Signals()
