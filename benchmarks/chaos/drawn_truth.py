"""What a drawn scene says had to be seen: an incident for each undisturbed pass of its clip.

Only a pass in which frames came all the time and nothing disturbed the way to an incident asks for
one; what a city cannot have seen is no mistake of it.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from benchmarks.chaos.lies import decoded_times, is_covered
from benchmarks.chaos.oracle import newest_incidents
from benchmarks.chaos.records import FaultRecord, FreshFrame, Recording

FRAME_GAP_S: Final = 2.0
Disturbs = Callable[[FaultRecord, str], bool]


@dataclass(frozen=True, slots=True)
class DrawnIncident:
    """What each pass of a clip shows, by the numbers of its first and last frame."""

    kind: str
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class MissedIncident:
    """A situation that a camera saw undisturbed and that no incident reports."""

    camera: str
    kind: str
    begin_s: float


def missed_incidents(
    recording: Recording, drawn: Mapping[str, DrawnIncident], disturbs: Disturbs
) -> tuple[list[MissedIncident], int]:
    """What was missed, and how many passes asked for an incident.

    Args:
        recording: The run.
        drawn: What each camera's clip shows.
        disturbs: Whether a fault can keep an incident from being seen at a camera.
    """
    decoded = decoded_times(recording.frames, recording.reading)
    missed, asked = [], 0
    for camera, incident in drawn.items():
        for begin_s, end_s in _passes(recording.frames.get(camera, ()), incident):
            calm = not any(
                disturbs(fault, camera) and fault.is_on(begin_s, end_s)
                for fault in recording.faults
            )
            if not calm or not is_covered(decoded[camera], begin_s, end_s, FRAME_GAP_S):
                continue
            asked += 1
            if not _is_reported(recording, camera, incident.kind, begin_s, end_s):
                missed.append(MissedIncident(camera, incident.kind, begin_s))
    return missed, asked


def _passes(frames: Sequence[FreshFrame], incident: DrawnIncident) -> Iterator[tuple[float, float]]:
    """Begin and end of the situation in every pass whose begin and end were both handed out."""
    begin_s = None
    for before, frame in itertools.pairwise(frames):
        if before.number < incident.first <= frame.number:
            begin_s = frame.at_s
        elif frame.number < before.number:
            begin_s = None
        elif begin_s is not None and before.number < incident.last <= frame.number:
            yield begin_s, frame.at_s
            begin_s = None


def _is_reported(
    recording: Recording, camera: str, kind: str, begin_s: float, end_s: float
) -> bool:
    """Whether an incident of the kind was open at some time of the situation."""
    begin, end = begin_s + recording.wall_offset_s, end_s + recording.wall_offset_s
    events = [one.event for one in recording.committed.values()]
    ended = {
        name: recording.committed[event.id].at_s
        for name, event in newest_incidents(events).items()
        if event.incident is not None and event.incident.phase == "ended"
    }
    return any(
        one.incident.opened_s <= end and ended.get(one.incident.id, end) >= begin
        for one in events
        if one.incident is not None and (one.incident.camera, one.incident.kind) == (camera, kind)
    )
