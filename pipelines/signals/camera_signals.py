"""`CameraSignals`: the signals of one camera, each at its own rate, from one small luma image."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, Protocol

from camera_adapters import Luma, Size
from models.detections import Box
from pipelines.signals.motion import MotionWatch
from pipelines.signals.sight import CANNOT_SEE_S, Certainty, SightWatch
from pipelines.signals.signal import NO_SIGNALS, Signal, Signals, StaticChange, ViewFault
from pipelines.signals.static_change import StaticChangeWatch
from pipelines.signals.view_state import CONFIRM_S, ViewWatch

LUMA_SIZE: Final = Size(320, 180)
"""The whole image, stretched: boxes are normalised, so its shape does not matter."""

EVERY_S: Final = 0.5
STATIC_CHANGE_EVERY_S: Final = 1.0
"""How often view and motion, and how often static change, are computed at most, seconds. It is done
on the same frames, as the image is a good part of the cost."""

EARLY_SHARE: Final = 0.2
"""Share of an interval by which a frame may come early and still count."""


class LumaSource(Protocol):
    """An image that gives its brightness."""

    def luma(self, size: Size) -> Luma:
        """(H, W) uint8 at `size`."""
        ...


class CameraSignals:
    """Computes what is wanted of one camera's frames. Not thread-safe.

    Attributes:
        newest: What is known now.
        is_wanted: Whether anything is.
    """

    def __init__(self, wanted: frozenset[Signal], cannot_see_s: float = CANNOT_SEE_S) -> None:
        """Starts with nothing known.

        Args:
            wanted: Those to compute; others cost nothing.
            cannot_see_s: How long the confidence of the detector must be low until the view counts
                as one in which it cannot see well, seconds.
        """
        self.newest = NO_SIGNALS
        self._cannot_see_s = cannot_see_s
        self._view = ViewWatch() if Signal.VIEW in wanted else None
        self._sight = SightWatch(cannot_see_s) if Signal.VIEW in wanted else None
        self._motion = MotionWatch() if Signal.MOTION in wanted else None
        self._static_change = StaticChangeWatch() if Signal.STATIC_CHANGE in wanted else None
        self._every_s = EVERY_S if self._view or self._motion else STATIC_CHANGE_EVERY_S
        self.is_wanted = any((self._view, self._motion, self._static_change))
        self._next_s: float | None = None
        self._changed_s: float | None = None
        self._changes: tuple[StaticChange, ...] = ()

    @property
    def noticed_after_s(self) -> float:
        """How long the newest fault of the view had lasted when it was noticed, seconds."""
        cannot_see = self.newest.view is ViewFault.CANNOT_SEE_WELL
        return self._cannot_see_s if cannot_see else CONFIRM_S

    def observe(
        self,
        image: LumaSource,
        at_s: float,
        covers: Sequence[Box] = (),
        certainty: Callable[[], Certainty] = Certainty,
    ) -> Signals:
        """Takes a frame.

        Args:
            image: Its full image; not asked for anything while no signal is due.
            at_s: When it was captured, monotonic seconds, never before the frame before.
            covers: Boxes of people and vehicles, in normalised image coordinates.
            certainty: Gives what the models found; only called where it is wanted.

        Returns:
            `newest`. While the view is at fault, nothing is said of static changes.

        Raises:
            UnreadableFault: The pixel format cannot be converted.
        """
        if not (self.is_wanted and self._is_due(at_s)):
            return self.newest
        luma = image.luma(LUMA_SIZE)
        fault = self._view.observe(luma, at_s) if self._view else None
        if self._sight and self._sight.observe(certainty(), at_s) and fault is None:
            fault = ViewFault.CANNOT_SEE_WELL
        moves = self._motion.observe(luma) if self._motion else None
        if fault is None and self._static_change and self._is_change_due(at_s):
            self._changes = self._static_change.observe(luma, at_s, covers)
        self.newest = Signals(fault, moves, self._changes if fault is None else ())
        return self.newest

    def _is_due(self, at_s: float) -> bool:
        """Whether it is time to compute something, which counts as done then."""
        next_s = at_s if self._next_s is None else self._next_s
        if at_s + EARLY_SHARE * self._every_s < next_s:
            return False
        # In the long run no more often than it should be; after a pause nothing is made up for.
        self._next_s = max(next_s + self._every_s, at_s + (1 - EARLY_SHARE) * self._every_s)
        return True

    def _is_change_due(self, at_s: float) -> bool:
        """Whether it is time for static change; never for an image that may be of no use."""
        early_s = (1 - EARLY_SHARE) * STATIC_CHANGE_EVERY_S
        if self._changed_s is not None and at_s - self._changed_s < early_s:
            return False
        if self._view is not None and self._view.is_suspicious:
            return False
        self._changed_s = at_s
        return True
