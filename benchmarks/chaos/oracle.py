"""What had to arrive against what did, per sink: from recorded data alone, never from the relay.

What had to arrive is every event that another process ever read in an outbox file. An event that
arrives without having been there, or with other bytes than the ones that are kept, is a phantom.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from benchmarks.chaos.records import CommittedEvent, SinkArrival, WireEvent, WireKeyframe

KeyframeReader = Callable[[str], bytes | None]
"""Gives the stored image of a key; None where there is none."""


@dataclass(frozen=True, slots=True)
class SinkFindings:
    """How one sink stands against what had to arrive.

    Attributes:
        sink: Its name.
        committed: How many events had to arrive.
        arrived: How many arrivals there were, repeated ones included.
        lost: Ids that did not arrive.
        phantoms: Ids that arrived and were never committed so.
        duplicates: Arrivals of what had arrived before.
        disordered: Ids whose first arrival came after that of a later event of their source.
        unended: Incidents that have not ended, in the outbox or at the sink.
    """

    sink: str
    committed: int
    arrived: int
    lost: tuple[str, ...]
    phantoms: tuple[str, ...]
    duplicates: int
    disordered: tuple[str, ...]
    unended: tuple[str, ...]

    @property
    def duplicate_share(self) -> float:
        """Of all arrivals, those of what had arrived before."""
        return self.duplicates / self.arrived if self.arrived else 0.0

    @property
    def is_kept(self) -> bool:
        """Whether every promise was kept; duplicates are allowed."""
        return not (self.lost or self.phantoms or self.disordered or self.unended)


def compare(
    sink: str, committed: Mapping[str, CommittedEvent], arrivals: Sequence[SinkArrival]
) -> SinkFindings:
    """Compares a sink of a city that has stopped: no incident may be open any more."""
    first: dict[str, WireEvent] = {}
    for arrival in arrivals:
        first.setdefault(arrival.event.id, arrival.event)
    return SinkFindings(
        sink=sink,
        committed=len(committed),
        arrived=len(arrivals),
        lost=tuple(name for name in committed if name not in first),
        phantoms=_phantoms(committed, arrivals),
        duplicates=len(arrivals) - len(first),
        disordered=_disordered(first.values()),
        unended=_unended(committed, arrivals),
    )


def _phantoms(
    committed: Mapping[str, CommittedEvent], arrivals: Iterable[SinkArrival]
) -> tuple[str, ...]:
    found = dict.fromkeys(
        arrival.event.id
        for arrival in arrivals
        if (kept := committed.get(arrival.event.id)) is None
        or (kept.sealed and kept.event.digest != arrival.event.digest)
    )
    return tuple(found)


def _disordered(events: Iterable[WireEvent]) -> tuple[str, ...]:
    newest: dict[str, tuple[int, int]] = {}
    found = []
    for event in events:
        if event.order < newest.get(event.source, (-1, -1)):
            found.append(event.id)
        else:
            newest[event.source] = event.order
    return tuple(found)


def _unended(
    committed: Mapping[str, CommittedEvent], arrivals: Sequence[SinkArrival]
) -> tuple[str, ...]:
    here = newest_incidents(one.event for one in committed.values())
    there = newest_incidents(arrival.event for arrival in arrivals)
    return tuple(
        name
        for name in sorted(here.keys() | there.keys())
        if {_phase(here.get(name)), _phase(there.get(name))} != {"ended"}
    )


def newest_incidents(events: Iterable[WireEvent]) -> dict[str, WireEvent]:
    """The newest event of each incident, by its id."""
    newest: dict[str, WireEvent] = {}
    for event in events:
        if event.incident is None:
            continue
        known = newest.get(event.incident.id)
        if known is None or event.order > known.order:
            newest[event.incident.id] = event
    return newest


def _phase(event: WireEvent | None) -> str:
    return event.incident.phase if event is not None and event.incident is not None else "missing"


def stored_keyframes(events: Iterable[WireEvent]) -> dict[str, WireKeyframe]:
    """The keyframes that events call stored, by key."""
    return {
        keyframe.key: keyframe
        for event in events
        if event.incident is not None
        for keyframe in event.incident.keyframes
        if keyframe.stored
    }


def wrong_links(arrivals: Iterable[SinkArrival], read: KeyframeReader) -> tuple[str, ...]:
    """Keyframes that are not what an event says, a sentence each.

    One that an event calls stored must be in the store with its sha256 and size. The newest event
    of an incident must call none pending any more.
    """
    arrived = [arrival.event for arrival in arrivals]
    problems = []
    for key, keyframe in stored_keyframes(arrived).items():
        data = read(key)
        if data is None:
            problems.append(f"{key} is not in the store")
        elif len(data) != keyframe.size_bytes:
            problems.append(f"{key} has {len(data)} bytes, not {keyframe.size_bytes}")
        elif hashlib.sha256(data).hexdigest() != keyframe.sha256:
            problems.append(f"{key} has another sha256")
    for event in newest_incidents(arrived).values():
        waiting = event.incident.keyframes if event.incident else ()
        problems += [f"{one.key} is still pending" for one in waiting if not one.stored]
    return tuple(problems)
