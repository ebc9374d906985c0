"""Recorded data of made-up runs, for every way in which a run can go wrong."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from benchmarks.chaos.records import (
    CommittedEvent,
    FreshFrame,
    ReadingSample,
    Recording,
    SinkArrival,
    SurfaceClaim,
    WireEvent,
    WireIncident,
    WireKeyframe,
)

SINK = "sink"
IMAGE = b"an image"
KEYFRAME = WireKeyframe("kf/1.jpg", hashlib.sha256(IMAGE).hexdigest(), len(IMAGE), stored=True)


def event(
    sequence: int,
    phase: str = "",
    *,
    source: str = "cityeye/c/east",
    incarnation: int = 1,
    incident: str = "i1",
    keyframes: tuple[WireKeyframe, ...] = (),
) -> WireEvent:
    """An event of a camera; with a phase it is one of an incident."""
    name = f"{source}/{incarnation}/{sequence}"
    about = None
    if phase:
        about = WireIncident(incident, "crowding.density", "east", phase, 100.0, keyframes)
    return WireEvent(name, source, incarnation, sequence, "t", f"digest of {name}", about)


def committed(events: Iterable[WireEvent]) -> dict[str, CommittedEvent]:
    return {one.id: CommittedEvent(one, 100.0 + one.sequence, sealed=True) for one in events}


def arrived(events: Iterable[WireEvent]) -> list[SinkArrival]:
    return [SinkArrival(one, 101.0 + one.sequence) for one in events]


GOOD = (
    event(1, "started"),
    event(2),
    event(3, "updated", keyframes=(KEYFRAME,)),
    event(4, "ended", keyframes=(KEYFRAME,)),
)
"""The events of a run in which all went well."""


def frames(*spans: tuple[float, float], fps: float = 10.0) -> list[FreshFrame]:
    """Frames that came all the time within spans of seconds."""
    return [
        FreshFrame(begin_s + step / fps, step)
        for begin_s, end_s in spans
        for step in range(round((end_s - begin_s) * fps))
    ]


def reading(cameras: Iterable[str], until_s: float, stopped: Sequence[float] = ()) -> list:
    """Samples of who is read, every half second; nobody is between the two of `stopped`."""
    names = frozenset(cameras)
    samples = []
    for step in range(round(until_s * 2) + 1):
        at_s = step / 2
        nobody = bool(stopped) and stopped[0] <= at_s < stopped[1]
        samples.append(ReadingSample(at_s, frozenset() if nobody else names))
    return samples


def claims(surface: str, watched: Iterable[str], begin_s: float, end_s: float) -> list:
    """A surface that says the same twice a second."""
    names = frozenset(watched)
    steps = range(round((end_s - begin_s) * 2) + 1)
    return [SurfaceClaim(surface, begin_s + step / 2, names) for step in steps]


def good_run(seconds: float = 60.0) -> Recording:
    """A run in which nothing went wrong: one sink, one camera, one surface."""
    return Recording(
        committed=committed(GOOD),
        arrivals={SINK: arrived(GOOD)},
        frames={"east": frames((0.0, seconds))},
        reading=reading(["east"], seconds),
        claims=claims("hub", ["east"], 0.0, seconds),
    )


def changed(one: Recording, **parts: Any) -> Recording:
    return replace(one, **parts)
