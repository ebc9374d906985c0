"""View state: whether a camera still sees its place, or is moved, covered, blurred, blind.

A fault must last before it counts and be gone for some time before it ends. What a view normally
looks like is learned per camera and follows the day slowly; nothing is learned from a fault. Light
that changes leaves patterns where they are, so a fault of the lens or of the aim is decided by
patterns, in the blocks of the image where they are normally the same.
"""

from __future__ import annotations

from typing import Final

from camera_adapters import Luma
from pipelines.signals.signal import ViewFault
from pipelines.signals.view_measures import ViewMeasures, measure_view
from pipelines.signals.view_reference import ViewReference

CONFIRM_S: Final = 6.0
"""How long a fault must last until it counts, seconds."""

RECOVER_S: Final = 4.0
"""How long a fault must be gone until it ends, seconds."""

ACCEPT_S: Final = 600.0
"""How long another view must stay until it is taken for the normal one, seconds. One that is the
known view, shifted, never is: zones are where they were drawn."""

TOO_DARK: Final = 40
"""Level that two percent of the pixels must reach, 0..255."""

TOO_BRIGHT: Final = 0.6
"""Share of pixels that are as good as white."""

TOO_NOISY: Final = 5.0
"""Levels by which every part of the image changes without a shape."""

NOISIER: Final = 3.0
"""The same as a multiple of what is normal."""

FADED: Final = 0.35
"""Share of its normal contrast that a view has at least."""

DAYLIGHT: Final = 70.0
"""Mean level from which on a faded image is washed out, and not just night."""

NO_DETAIL: Final = 0.45
SHAPE_STAYS: Final = 0.6
"""Shares of the normal: fine structures are gone while coarse ones stay in a blurred view."""

LOST: Final = 0.75
SHIFTED: Final = 0.4
HIDDEN: Final = 0.5
"""Shares of blocks without their pattern: when another place is seen, when that is enough because
the known view is there beside it, and when something flat is in front."""

LENIENCE: Final = 1.25
"""How much better than each limit a view must be for a fault to end."""


VIEW_REASONS: Final = {
    ViewFault.MOVED: "the view has moved: aim the camera as before, or draw its zones anew and "
    "apply the configuration",
    ViewFault.COVERED: "the view is covered: clear what is in front of the lens",
    ViewFault.BLURRED: "the view is blurred: clean or focus the lens",
    ViewFault.DARK: "the view is too dark to see anything",
    ViewFault.WASHED_OUT: "the view is washed out, by fog or by glare",
    ViewFault.NOISY: "the view is full of noise: check the signal of the camera and its cable",
    ViewFault.CANNOT_SEE_WELL: "the model cannot see well: it is confident of hardly anything that "
    "moves; wait for fog or rain to end, light the place, or try another model",
}
"""What to say of each fault, and what to do about it."""


class ViewWatch:
    """The view state of one camera. Not thread-safe.

    Attributes:
        fault: What is wrong now, None if nothing is.
    """

    def __init__(self) -> None:
        """Starts without a reference: until it is learned only what is always wrong is noticed."""
        self.fault: ViewFault | None = None
        self._reference = ViewReference()
        self._before: Luma | None = None
        self._at_s: float | None = None
        self._evidence_s = 0.0
        self._kinds_s = dict.fromkeys(ViewFault, 0.0)
        self._shifted = False
        self._unknown_s = 0.0

    @property
    def is_suspicious(self) -> bool:
        """Whether there is a fault, or evidence of one that is not enough."""
        return self._evidence_s > 0

    def observe(self, luma: Luma, at_s: float) -> ViewFault | None:
        """Takes an image.

        Args:
            luma: (180, 320) uint8.
            at_s: When it was captured, monotonic seconds.

        Returns:
            `fault`.
        """
        measures = measure_view(luma, self._before)
        elapsed_s = 0.0 if self._at_s is None else max(0.0, at_s - self._at_s)
        self._before, self._at_s = luma, at_s
        # A pause proves nothing, so that one image alone never makes a fault.
        counted_s = min(elapsed_s, CONFIRM_S / 2)
        self._reference.compare(measures)
        found = self._find(measures)
        self._weigh(found, counted_s)
        if found is None and self.fault is None and self._evidence_s == 0.0:
            self._reference.learn(measures, elapsed_s)
        self._accept(found, counted_s)
        return self.fault

    def _weigh(self, found: ViewFault | None, elapsed_s: float) -> None:
        """Gathers evidence, and decides when there is enough of it or none left."""
        gain_s = elapsed_s if found else -elapsed_s * CONFIRM_S / RECOVER_S
        self._evidence_s = min(CONFIRM_S, max(0.0, self._evidence_s + gain_s))
        for kind, known_s in self._kinds_s.items():
            gain_s = elapsed_s if kind is found else -elapsed_s
            self._kinds_s[kind] = min(CONFIRM_S, max(0.0, known_s + gain_s))
        leading = max(self._kinds_s, key=self._kinds_s.__getitem__)
        if self._evidence_s == 0.0:
            self.fault = None
        elif self._evidence_s >= CONFIRM_S and (
            self.fault is None or self._kinds_s[self.fault] == 0.0
        ):
            self.fault = leading

    def _find(self, now: ViewMeasures) -> ViewFault | None:
        """What is wrong with an image by itself or beside the reference, worst first."""
        ease = LENIENCE if self.fault else 1.0
        normal = self._reference
        if now.noise > max(TOO_NOISY, NOISIER * normal.noise) / ease:
            return ViewFault.NOISY
        if now.brightest < TOO_DARK * ease:
            return ViewFault.DARK if normal.has_layout(now) else ViewFault.COVERED
        if now.glare > TOO_BRIGHT / ease:
            return ViewFault.WASHED_OUT
        return self._find_beside(now, ease) if normal.is_learned else None

    def _find_beside(self, now: ViewMeasures, ease: float) -> ViewFault | None:
        """What is wrong with an image beside the reference."""
        normal = self._reference
        if normal.hidden * ease >= HIDDEN:
            return ViewFault.COVERED
        lost = normal.lost * ease
        detail, shape = normal.sharpness(now)
        if detail < min(NO_DETAIL, NO_DETAIL / SHAPE_STAYS * shape) * ease:
            return ViewFault.BLURRED
        if normal.contrast < FADED * ease and now.mean >= DAYLIGHT and lost < LOST:
            return ViewFault.WASHED_OUT
        self._shifted = lost >= SHIFTED and normal.is_shifted(now)
        return ViewFault.MOVED if self._shifted or lost >= LOST else None

    def _accept(self, found: ViewFault | None, elapsed_s: float) -> None:
        """Takes another view for the normal one when it has stayed for long."""
        stays = found is ViewFault.MOVED and self.fault is ViewFault.MOVED and not self._shifted
        self._unknown_s = self._unknown_s + elapsed_s if stays else 0.0
        if self._unknown_s >= ACCEPT_S:
            self._reference = ViewReference()
            self._evidence_s, self._unknown_s, self.fault = 0.0, 0.0, None
            self._kinds_s = dict.fromkeys(ViewFault, 0.0)
