"""When the hub last heard of each camera: silence means that nobody watches it.

Only heartbeats count, for events may be old when they arrive. The limit is kept on this process's
monotonic clock, so that no wall clock matters, neither the hub's nor a worker's; after a restart
nothing counts as heard until it is heard again.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Final

from event_hub.camera_key import CameraKey
from pipelines.event import CameraBeat, CameraData, HeartbeatEvent
from pipelines.event_identity import city_of

logger = logging.getLogger(__name__)

STEADY_GAP_S: Final = 2.0
STEADY_S: Final = 1.0
"""Two heartbeats at least so far apart that were equally late, within a second, are no backlog."""
KNOWN_MAX: Final = 10_000
"""Workers and cameras that are remembered at most."""


@dataclass(frozen=True, slots=True)
class Heard:
    """What the newest heartbeat said of a camera.

    Attributes:
        city: The city that the camera is in.
        incarnation: Of the worker that said so.
        sequence: The state is newer than every event of that incarnation up to this one.
        since_us: When the hub first heard of this state, microseconds since 1970 UTC.
        received_us: When the hub last heard of the camera.
        at_s: The same on the monotonic clock; None where that was before this hub started.
        lately: Whether that is within the limit.
    """

    city: str
    camera: CameraData
    state: str
    reason: str
    incarnation: int
    sequence: str
    since_us: int
    received_us: int
    at_s: float | None = None
    lately: bool = False

    @property
    def key(self) -> CameraKey:
        """Which camera it is."""
        return CameraKey(self.city, self.camera.id)


class _Pulse:
    """The heartbeats of one incarnation of a worker: which are new, and which come too late."""

    def __init__(self, incarnation: int) -> None:
        self.incarnation = incarnation
        self._beat = 0
        self._at_s = self._offset_s = self._base_s = float("inf")

    def accepts(self, event: HeartbeatEvent, now_s: float) -> bool:
        """Whether the heartbeat is newer than all before, and not one that waited on the way.

        How late it is shows by the two monotonic clocks: the offset between them grows by the time
        that it waited. A host that was suspended is late from then on, but steadily so.
        """
        data = event.data
        if event.incarnation < self.incarnation or data.beat <= self._beat:
            return False
        offset_s = now_s - data.uptime_s
        steady = now_s - self._at_s >= STEADY_GAP_S and abs(offset_s - self._offset_s) < STEADY_S
        self._base_s = offset_s if steady else min(self._base_s, offset_s)
        self._beat, self._at_s, self._offset_s = data.beat, now_s, offset_s
        return offset_s - self._base_s <= data.valid_s


class HeardCameras:
    """Safe to use from several threads."""

    def __init__(self, limit_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        """Knows no camera.

        Args:
            limit_s: How long a camera may be silent before it counts as not watched.
            clock: Monotonic seconds.
        """
        self.limit_s = limit_s
        self._clock = clock
        self._lock = threading.Lock()
        self._pulses: dict[str, _Pulse] = {}
        self._cameras: dict[CameraKey, Heard] = {}
        self._unsaved: set[CameraKey] = set()
        self._lately: frozenset[CameraKey] = frozenset()
        self._version = 0

    def restore(self, known: Iterable[Heard]) -> None:
        """What an earlier hub heard; none of it counts as lately."""
        with self._lock:
            self._cameras |= {one.key: one for one in known}

    def note(self, event: HeartbeatEvent, received_us: int) -> None:
        """Notes a heartbeat, unless a newer one was there or it waited too long on the way."""
        with self._lock:
            now_s = self._clock()
            pulse = self._pulses.get(event.source)
            if pulse is None or event.incarnation > pulse.incarnation:
                if pulse is None and len(self._pulses) >= KNOWN_MAX:
                    logger.warning("heartbeat_ignored", extra={"source": event.source})
                    return
                pulse = self._pulses[event.source] = _Pulse(event.incarnation)
            if pulse.accepts(event, now_s):
                for one in event.data.cameras:
                    self._note_camera(one, event, received_us, now_s)

    def cameras(self) -> Mapping[CameraKey, Heard]:
        """Every camera that was ever heard of."""
        with self._lock:
            now_s = self._clock()
            known = self._cameras.items()
            return {key: replace(one, lately=self._is_lately(one, now_s)) for key, one in known}

    @property
    def version(self) -> int:
        """Grows whenever a camera is heard of again, falls silent, or reports something new."""
        with self._lock:
            now_s = self._clock()
            known = self._cameras.items()
            lately = frozenset(key for key, one in known if self._is_lately(one, now_s))
            if lately != self._lately:
                self._lately = lately
                self._version += 1
            return self._version

    def take_unsaved(self) -> list[Heard]:
        """What was heard since the last call."""
        with self._lock:
            keys, self._unsaved = self._unsaved, set()
            return [self._cameras[key] for key in sorted(keys)]

    def _is_lately(self, heard: Heard, now_s: float) -> bool:
        return heard.at_s is not None and now_s - heard.at_s <= self.limit_s

    def _note_camera(
        self, beat: CameraBeat, event: HeartbeatEvent, received_us: int, now_s: float
    ) -> None:
        key = CameraKey(city_of(event.source), beat.camera.id)
        known = self._cameras.get(key)
        if known is None and len(self._cameras) >= KNOWN_MAX:
            logger.warning("heartbeat_ignored", extra={"city": key.city, "camera": key.camera})
            return
        if known is not None and (event.incarnation, event.sequence) < (
            known.incarnation,
            known.sequence,
        ):
            # A worker that lost the camera and does not know it yet.
            return
        same = known is not None and (known.state, known.incarnation) == (
            beat.state,
            event.incarnation,
        )
        if known is None or not same or known.reason != beat.reason:
            self._version += 1
        self._cameras[key] = Heard(
            city=key.city,
            camera=beat.camera,
            state=beat.state,
            reason=beat.reason,
            incarnation=event.incarnation,
            sequence=event.sequence,
            since_us=known.since_us if known is not None and same else received_us,
            received_us=received_us,
            at_s=now_s,
        )
        self._unsaved.add(key)
