"""`FoundThings`: what was at its place when watching began, and has not moved since.

Nobody was seen to come there. It is a pole, a shadow or the side of a parked car that a model takes
for a person or a bicycle, for as long as the light is the same. Somebody who really stood there
moves sooner or later, and is none of them from then on.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from models.detections import Box, box_has_moved, box_iou
from pipelines.track import Track

BEGIN_S: Final = 3.0
"""What shows in the first seconds was there before: a track needs some frames to be one."""

SAME_IOU: Final = 0.5
"""How much a box must be the one of a found thing to be that thing under another id."""

CAME_IOU: Final = 0.3
"""How much a box must be the last one of somebody who came in an earlier run to be them."""

CAME_WITHIN_S: Final = 600.0
"""An earlier run that ended longer ago says nothing of who is there now."""

FORGET_S: Final = 60.0
"""So long it is kept where a track began that is not seen."""

MOST: Final = 50


@dataclass(slots=True)
class _Begin:
    """Where a track was first seen, when last, and whether it has moved meanwhile."""

    box: Box
    last_s: float
    moved: bool = False


class FoundThings:
    """The found things of one view."""

    def __init__(self) -> None:
        self._since_s: float | None = None
        self._begins: dict[int, _Begin] = {}
        self._found: list[Box] = []
        self._came: list[Box] = []

    def observe(self, tracks: Iterable[Track], at_s: float) -> None:
        """Takes the tracks of a frame that may be such things; monotonic seconds."""
        if self._since_s is None:
            self._since_s = at_s
        begins = at_s - self._since_s <= BEGIN_S
        for track in tracks:
            begin = self._begins.setdefault(track.id, _Begin(track.box, at_s))
            begin.last_s = at_s
            if not begin.moved and box_has_moved(begin.box, track.box):
                begin.moved = True
                # What began there was no thing.
                self._found = [box for box in self._found if not _is_at(box, begin.box, SAME_IOU)]
            if begins and not begin.moved and self._is_new(track.box):
                self._found.append(track.box)
        if len(self._begins) > MOST:
            self._begins = {
                track: begin
                for track, begin in self._begins.items()
                if at_s - begin.last_s < FORGET_S
            }

    def is_one(self, track: Track) -> bool:
        """Whether a track that was observed is such a thing."""
        begin = self._begins.get(track.id)
        if begin is not None and begin.moved:
            return False
        return any(_is_at(box, track.box, SAME_IOU) for box in self._found)

    def remember(self, came: Sequence[Box]) -> dict[str, Any]:
        """What the next run needs to know: its things, and the boxes of those that came."""
        return {"found": [list(box) for box in self._found], "came": [list(box) for box in came]}

    def recall(self, memory: Mapping[str, Any], age_s: float) -> None:
        """Goes on with what `remember` gave so many seconds ago.

        Raises:
            KeyError, TypeError, ValueError: It is not what `remember` gives.
        """
        found, came = (
            [Box(*(float(edge) for edge in box)) for box in memory[name][:MOST]]
            for name in ("found", "came")
        )
        self._found = found
        self._came = came if age_s <= CAME_WITHIN_S else []

    def _is_new(self, box: Box) -> bool:
        known = any(_is_at(one, box, SAME_IOU) for one in self._found)
        came = any(_is_at(one, box, CAME_IOU) for one in self._came)
        return not known and not came and len(self._found) < MOST


def _is_at(one: Box, other: Box, iou: float) -> bool:
    return box_iou(one, other) >= iou
