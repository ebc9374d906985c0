"""Static change: something was added to the place, or taken away, and stays. Without any class.

Pixels that left the long-term background and have been still for some seconds, with nobody and no
vehicle before them, make candidates. Light, shadows, ghosts of what has left, rain and a shaking
camera make none. A candidate stays while people pass before it, and ends when the place is as it
was. What was added and has been there for so long that it belongs to the place, or lay there when
the place was learned anew, is settled: it ends when something is removed there.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np

from camera_adapters import Luma
from models.detections import Box, box_iou, common_share
from pipelines.signals.alignment import aligned
from pipelines.signals.background import Background
from pipelines.signals.block_grid import PixelMask
from pipelines.signals.change_layers import ChangeLayers
from pipelines.signals.change_region import Region, RegionKind
from pipelines.signals.signal import ChangeKind, StaticChange
from pipelines.signals.still_regions import CHANGES, RegionFinder, together

CONFIRM_S: Final = 1.5
"""How long a candidate must look the same until it is published, seconds."""

MOST_ELAPSED_S: Final = 5.0
"""After a longer pause nobody knows what was in between; it counts as so many seconds."""

GONE_S: Final = 5.0
"""How long nothing must be seen of a candidate, though nothing covers it, until it ends."""

ABSORB_S: Final = 900.0
"""After so long it belongs to the place, seconds."""

LIGHT_S: Final = 20.0
"""After so long light that has changed belongs to the place, seconds."""

UNCLEAR_S: Final = 30.0
"""After so long what is neither added nor removed belongs to the place."""

RELIGHTED: Final = 0.35
RELIGHTED_S: Final = 1.0
"""When so much of the image has left the background for so long, the background is learned anew."""

MOST_SETTLED: Final = 100
"""How many settled changes are remembered, the newest."""

COVER_MARGIN: Final = 0.01
"""Share of the width by which a box is widened: shadows and limbs reach out of it."""

SAME: Final = 0.5
"""Share of the smaller of two boxes in the other one from which on they are one thing: a part of it
may be seen first."""

COVERED: Final = 0.25
"""Share of a candidate under boxes from which on nothing is known of it."""


@dataclass(slots=True)
class _Candidate:
    id: int
    box: Box
    area: float
    region: Region
    since_s: float
    first_s: float
    seen_s: float
    placed_s: float = -math.inf
    missing_s: float = 0.0
    layers: ChangeLayers | None = None
    votes: dict[RegionKind, int] = field(default_factory=lambda: dict.fromkeys(RegionKind, 0))

    def place(self, region: Region, box: Box, pixels: int, at_s: float) -> None:
        """Takes where it is in an image of so many pixels."""
        self.region, self.box, self.area = region, box, region.area / pixels
        self.since_s = min(self.since_s, region.since_s)
        self.placed_s = at_s

    def see(self, kind: RegionKind, at_s: float) -> None:
        self.votes[kind] += 1
        self.seen_s, self.missing_s = at_s, 0.0

    @property
    def kind(self) -> ChangeKind | None:
        added, removed = self.votes[RegionKind.ADDED], self.votes[RegionKind.REMOVED]
        others = max(self.votes[RegionKind.UNCLEAR], self.votes[RegionKind.LIGHT])
        if added == removed or others > max(added, removed):
            return None
        return ChangeKind.ADDED if added > removed else ChangeKind.REMOVED

    @property
    def reported(self) -> StaticChange | None:
        """What is published of it; None while it is not confirmed, or is no change."""
        kind = self.kind
        if kind is None or self.seen_s - self.first_s < CONFIRM_S:
            return None
        later_s = () if self.layers is None else self.layers.later_s
        return StaticChange(
            self.id, kind, self.box, self.since_s, self.seen_s, self.area, later_s=later_s
        )

    def note_layers(self, background: Background, luma: Luma, free: PixelMask, at_s: float) -> None:
        """Asks what was put on it, while it is seen."""
        if self.layers is None:
            self.layers = ChangeLayers(self.region, background, luma, at_s)
        elif self.placed_s == at_s:
            self.layers.observe(self.region, background, luma, free, at_s)


class StaticChangeWatch:
    """The static changes in view of one camera. Not thread-safe."""

    def __init__(self) -> None:
        """Starts without a background: what is there now belongs to the place."""
        self._background: Background | None = None
        self._candidates: list[_Candidate] = []
        self._settled: list[StaticChange] = []
        self._ids = itertools.count(1)
        self._at_s: float | None = None
        self._relighted_s = 0.0
        self._free: PixelMask | None = None

    def observe(self, luma: Luma, at_s: float, covers: Sequence[Box]) -> tuple[StaticChange, ...]:
        """Takes an image, once or twice a second.

        Args:
            luma: (H, W) uint8, always of one size.
            at_s: When it was captured, monotonic seconds.
            covers: Boxes of people and vehicles, in normalised image coordinates.
        """
        background = self._background
        if background is None:
            background = self._background = Background((luma.shape[0], luma.shape[1]))
        elapsed_s = 0.0 if self._at_s is None else max(0.0, at_s - self._at_s)
        elapsed_s = min(elapsed_s, MOST_ELAPSED_S)
        self._at_s = at_s
        if elapsed_s:
            luma = aligned(luma, background.expected)
        # A box that is missed once is not away yet.
        now = _free(luma.shape, covers)
        before, self._free = self._free, now
        free = now if before is None else now & before
        background.observe(luma, free, elapsed_s)
        if not background.is_learned or self._is_relighted(background, elapsed_s):
            return tuple(self._settled)
        known = [one.region for one in self._candidates]
        regions = RegionFinder(background, luma, at_s).regions(known)
        self._match(background, luma, regions, at_s)
        self._end(background, luma, at_s, elapsed_s, free)
        for one in self._candidates:
            if one.kind is ChangeKind.ADDED:
                one.note_layers(background, luma, free, at_s)
        reported = [change for one in self._candidates if (change := one.reported) is not None]
        taken = [change.box for change in reported if change.kind is ChangeKind.REMOVED]
        self._settled = [
            one for one in self._settled if all(common_share(one.box, box) < SAME for box in taken)
        ]
        return (*reported, *self._settled)

    def _settle(self, candidates: Sequence[_Candidate]) -> None:
        """Keeps what was added and reported, though the place is learned with it."""
        reported = (change for one in candidates if (change := one.reported) is not None)
        added = [replace(one, settled=True) for one in reported if one.kind is ChangeKind.ADDED]
        self._settled = (self._settled + added)[-MOST_SETTLED:]

    def _is_relighted(self, background: Background, elapsed_s: float) -> bool:
        """Whether so much has changed that nothing can be said; the place is learned anew then."""
        share = np.count_nonzero(background.left) / background.left.size
        self._relighted_s = self._relighted_s + elapsed_s if share >= RELIGHTED else 0.0
        if self._relighted_s >= RELIGHTED_S:
            self._relighted_s = 0.0
            self._settle(self._candidates)
            self._candidates.clear()
            background.restart()
        return bool(share >= RELIGHTED)

    def _match(
        self,
        background: Background,
        luma: Luma,
        regions: list[tuple[Region, RegionKind]],
        at_s: float,
    ) -> None:
        """Gives each region to the candidate that it is, or makes one of it.

        Light makes none, and becomes the background in time.
        """
        for region, kind in regions:
            box = _normalised(region, luma.shape)
            known = max(self._candidates, key=lambda one: common_share(one.box, box), default=None)
            if known is None or common_share(known.box, box) < SAME:
                if kind is not RegionKind.LIGHT:
                    area = region.area / luma.size
                    number, since_s = next(self._ids), region.since_s
                    first = _Candidate(number, box, area, region, since_s, at_s, at_s, at_s)
                    first.votes[kind] += 1
                    self._candidates.append(first)
                elif at_s - region.since_s >= LIGHT_S:
                    background.absorb(luma, region.window, region.mask)
            elif kind in CHANGES:
                # Where it comes in several parts, all of them are it.
                whole = together(known.region, region) if known.placed_s == at_s else region
                known.place(whole, _normalised(whole, luma.shape), luma.size, at_s)
                known.see(kind, at_s)
            elif box_iou(known.box, box) >= SAME:
                known.see(kind, at_s)

    def _end(
        self, background: Background, luma: Luma, at_s: float, elapsed_s: float, free: PixelMask
    ) -> None:
        """Ends what is gone, and what has become a part of the place."""
        kept = []
        for one in self._candidates:
            mask, window = one.region.mask, one.region.window
            covered = 1.0 - np.count_nonzero(free[window] & mask) / np.count_nonzero(mask)
            most_s = UNCLEAR_S if one.kind is None else ABSORB_S
            if at_s - one.first_s >= most_s and one.seen_s == at_s:
                background.absorb(luma, window, mask)
                self._settle([one])
                continue
            if covered < COVERED and one.seen_s < at_s:
                one.missing_s += elapsed_s
            if one.missing_s < GONE_S:
                kept.append(one)
        self._candidates = kept
        background.hold([(one.region.window, one.region.filled) for one in kept])


def _free(shape: tuple[int, ...], covers: Sequence[Box]) -> PixelMask:
    """Where no box is."""
    height, width = shape
    free = np.ones((height, width), np.bool_)
    for x1, y1, x2, y2 in covers:
        left, right = (x1 - COVER_MARGIN) * width, (x2 + COVER_MARGIN) * width
        top, bottom = y1 * height - COVER_MARGIN * width, y2 * height + COVER_MARGIN * width
        free[max(0, int(top)) : max(0, round(bottom)), max(0, int(left)) : max(0, round(right))] = (
            False
        )
    return free


def _normalised(region: Region, shape: tuple[int, ...]) -> Box:
    height, width = shape
    return Box(
        region.left / width,
        region.top / height,
        (region.left + region.width) / width,
        (region.top + region.height) / height,
    )
