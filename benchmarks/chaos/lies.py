"""Lies: how long a surface called a camera watched while no new frame of it was decoded.

What is true comes from outside of the city. A frame counts when its server handed out one that
shows something new, and a process that runs was taking the bytes of that camera at the time.
"""

from __future__ import annotations

import itertools
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from benchmarks.chaos.records import FaultRecord, FreshFrame, ReadingSample, Recording, SurfaceClaim

SAMPLE_GAP_S: Final = 2.0
"""A frame counts where the newest sample of who is read is not older than this."""

POLL_GAP_S: Final = 5.0
"""Between two claims further apart nobody asked, so nothing was claimed."""

NOBODY_S: Final = float("-inf")


@dataclass(frozen=True, slots=True)
class SurfaceLie:
    """A surface that called a camera watched from `begin_s` to `end_s` while there was no frame."""

    surface: str
    camera: str
    begin_s: float
    end_s: float

    @property
    def lasted_s(self) -> float:
        """Its length in seconds."""
        return self.end_s - self.begin_s


def decoded_times(
    frames: Mapping[str, Sequence[FreshFrame]], reading: Sequence[ReadingSample]
) -> dict[str, list[float]]:
    """When a new frame of each camera was there and read, monotonic seconds in order."""
    sampled_s = [sample.at_s for sample in reading]
    return {
        camera: [one.at_s for one in own if _is_read(camera, one.at_s, reading, sampled_s)]
        for camera, own in frames.items()
    }


def _is_read(
    camera: str, at_s: float, reading: Sequence[ReadingSample], sampled_s: Sequence[float]
) -> bool:
    place = bisect_right(sampled_s, at_s) - 1
    if place < 0 or at_s - sampled_s[place] > SAMPLE_GAP_S:
        return False
    return camera in reading[place].cameras


def lies_of(
    claims: Iterable[SurfaceClaim], decoded: Mapping[str, Sequence[float]]
) -> list[SurfaceLie]:
    """The longest lie of each surface and camera for each time without a frame.

    A surface that gives no names claims the cameras whose newest frames are the newest: whatever
    it means, it cannot be truer than that.
    """
    since_s: dict[tuple[str, str], float] = {}
    heard_s: dict[str, float] = {}
    found: dict[tuple[str, str, float], SurfaceLie] = {}
    for claim in claims:
        surface, at_s = claim.surface, claim.at_s
        if at_s - heard_s.get(surface, at_s) > POLL_GAP_S:
            _forget(since_s, surface, frozenset())
        heard_s[surface] = at_s
        newest_s = {camera: _newest(times, at_s) for camera, times in decoded.items()}
        watched = _named(claim, newest_s)
        _forget(since_s, surface, watched)
        for camera in watched:
            claimed_s = since_s.setdefault((surface, camera), at_s)
            begin_s = max(claimed_s, newest_s.get(camera, NOBODY_S))
            if at_s > begin_s:
                found[surface, camera, begin_s] = SurfaceLie(surface, camera, begin_s, at_s)
    return list(found.values())


def _forget(since_s: dict[tuple[str, str], float], surface: str, watched: frozenset[str]) -> None:
    for key in [key for key in since_s if key[0] == surface and key[1] not in watched]:
        del since_s[key]


def _named(claim: SurfaceClaim, newest_s: Mapping[str, float]) -> frozenset[str]:
    if claim.count is None:
        return claim.watched
    ranked = sorted(newest_s, key=lambda camera: newest_s[camera], reverse=True)
    return frozenset(ranked[: claim.count])


def _newest(times: Sequence[float], at_s: float) -> float:
    place = bisect_right(times, at_s)
    return times[place - 1] if place else NOBODY_S


def longest_by_kind(
    lies: Iterable[SurfaceLie], faults: Sequence[FaultRecord]
) -> dict[tuple[str, str], float]:
    """The longest lie in seconds by surface and kind of a fault that was there at the time."""
    longest: dict[tuple[str, str], float] = {}
    for lie in lies:
        kinds = {fault.kind for fault in faults if fault.is_on(lie.begin_s, lie.end_s)}
        for kind in kinds or {""}:
            key = (lie.surface, kind)
            longest[key] = max(longest.get(key, 0.0), lie.lasted_s)
    return longest


def lies_in(recording: Recording) -> list[SurfaceLie]:
    """All lies of a run."""
    return lies_of(recording.claims, decoded_times(recording.frames, recording.reading))


def is_covered(times: Sequence[float], begin_s: float, end_s: float, gap_s: float) -> bool:
    """Whether frames came all the time between two moments, at most `gap_s` apart."""
    within = times[bisect_left(times, begin_s) : bisect_right(times, end_s)]
    edges = [begin_s, *within, end_s]
    return all(after - before <= gap_s for before, after in itertools.pairwise(edges))
