"""Which signals of the image there are, and what they said of the newest frame."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum, auto
from typing import Final

import numpy as np
import numpy.typing as npt

from models.detections import Box


class Signal(StrEnum):
    """What a kind of rule may declare, and a camera may ask for, beside tracks."""

    IMAGE = "image"
    VIEW = "view"
    MOTION = "motion"
    STATIC_CHANGE = "static_change"


class ViewFault(StrEnum):
    """Why a camera does not see its place."""

    MOVED = auto()
    COVERED = auto()
    BLURRED = auto()
    DARK = auto()
    WASHED_OUT = auto()
    NOISY = auto()
    CANNOT_SEE_WELL = auto()


@dataclass(frozen=True, slots=True, eq=False)
class Motion:
    """What moves.

    Attributes:
        share: Share of the image that moves, 0 to 1.
        mask: (90, 160) bool, where it moves, stretched over the whole image.
    """

    share: float
    mask: npt.NDArray[np.bool_]


class ChangeKind(StrEnum):
    """What happened to the place."""

    ADDED = auto()
    REMOVED = auto()


@dataclass(frozen=True, slots=True)
class StaticChange:
    """Something that was added to the place or taken from it.

    Attributes:
        id: Unique per camera for the life of its worker.
        box: Where, in normalised image coordinates.
        since_s: Monotonic time from which on it has been still, seconds.
        seen_s: Monotonic time at which it was last seen, uncovered, seconds.
        area: Share of the image that has changed, which is less than its box.
        settled: Whether the place was learned with it since: it is searched for no more, and
            counts as there until something is seen to be removed at its place.
        later_s: When something else was put on it or against it, monotonic seconds, once for each.
    """

    id: int
    kind: ChangeKind
    box: Box
    since_s: float
    seen_s: float
    area: float
    settled: bool = False
    later_s: tuple[float, ...] = ()


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
