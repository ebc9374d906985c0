"""Threads that watch a city from outside: its surfaces, who is really read, and its outboxes."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final, Self

from benchmarks.chaos.city import ChaosCity
from benchmarks.chaos.growth import SAMPLE_S as GROWTH_S
from benchmarks.chaos.growth import GrowthWatch
from benchmarks.chaos.outbox_reader import outbox_files, read_outbox
from benchmarks.chaos.processes import NOT_RUNNING, WORKER, camera_sockets
from benchmarks.chaos.records import CommittedEvent, ReadingSample, SurfaceClaim
from benchmarks.chaos.surfaces import SURFACES, Surface
from serving import socket_inodes

log = logging.getLogger(__name__)

POLL_S: Final = 0.5
SAMPLE_S: Final = 0.3
OUTBOX_S: Final = 2.0
UNREAD_SAMPLES: Final = 4
"""A connection with unread bytes in so many samples in a row is not read."""

JOIN_S: Final = 15.0


class Watch:
    """Everything that is recorded of a city while the context lasts.

    Attributes:
        claims: What surfaces said.
        reading: Who was really read.
        outboxes: What was committed.
        growth: What the processes take.
    """

    def __init__(self, city: ChaosCity, state: Path, ports: Mapping[int, str]) -> None:
        """`ports` are those of the cameras' servers, with their ids; `state` is the city's."""
        self.claims: list[SurfaceClaim] = []
        self.reading: list[ReadingSample] = []
        self.outboxes = OutboxTally(state)
        self.growth = GrowthWatch(lambda: city.pid)
        self._city = city
        self._cameras = frozenset(ports.values())
        self._reader = CameraReading(city, ports)
        self._stopping = threading.Event()
        rounds: list[tuple[float, Callable[[], object]]] = [
            (POLL_S, self._asker(make())) for make in SURFACES.values()
        ]
        rounds += [
            (SAMPLE_S, self._sample),
            (OUTBOX_S, self.outboxes.read),
            (GROWTH_S, self.growth.sample),
        ]
        self._threads = [
            threading.Thread(target=self._repeat, args=one, daemon=True) for one in rounds
        ]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        for thread in self._threads:
            thread.join(JOIN_S)

    def is_read(self, camera: str) -> bool:
        """Whether a camera is really read now."""
        return bool(self.reading) and camera in self.reading[-1].cameras

    def ordered_claims(self) -> list[SurfaceClaim]:
        """The claims in order of time."""
        return sorted(self.claims, key=lambda claim: claim.at_s)

    def _asker(self, surface: Surface) -> Callable[[], None]:
        return lambda: self.claims.append(surface(self._city, self._cameras))

    def _sample(self) -> None:
        self.reading.append(ReadingSample(time.monotonic(), self._reader.now()))

    def _repeat(self, every_s: float, step: Callable[[], object]) -> None:
        while not self._stopping.is_set():
            begin_s = time.monotonic()
            try:
                step()
            except Exception:
                # One answer that cannot be read must not end what watches the city.
                log.exception("chaos_watch_failed")
            self._stopping.wait(max(0.0, every_s - (time.monotonic() - begin_s)))


class CameraReading:
    """Which cameras are connected to a worker that runs and takes what arrives."""

    def __init__(self, city: ChaosCity, ports: Mapping[int, str]) -> None:
        self._city = city
        self._ports = ports
        self._unread: dict[str, deque[bool]] = {}

    def now(self) -> frozenset[str]:
        """Their ids."""
        running: set[str] = set()
        for worker in self._city.find(WORKER):
            if worker.state not in NOT_RUNNING:
                running |= socket_inodes(worker.pid)
        cameras = set()
        for one in camera_sockets(frozenset(self._ports)):
            seen = self._unread.setdefault(one.inode, deque(maxlen=UNREAD_SAMPLES))
            seen.append(one.unread_bytes > 0)
            stuck = len(seen) == UNREAD_SAMPLES and all(seen)
            if one.inode in running and not stuck:
                cameras.add(self._ports[one.port])
        return frozenset(cameras)


class OutboxTally:
    """Every event that was ever read in an outbox; one thread reads.

    Attributes:
        committed: By id, as last read.
        spooled: Keyframes that wait for the store, at the last reading.
        dead: Dead letters, at the last reading.
        read_s: When the last reading began, monotonic seconds.
    """

    def __init__(self, state: Path) -> None:
        self.committed: dict[str, CommittedEvent] = {}
        self.spooled = 0
        self.dead = 0
        self.read_s = 0.0
        self.unreadable: set[str] = set()
        self._state = state

    def read(self) -> None:
        """Reads all outboxes that there are."""
        begin_s = time.monotonic()
        spooled = dead = 0
        unreadable = set()
        for path in outbox_files(self._state):
            content = read_outbox(path, self.committed)
            if content is None:
                unreadable.add(str(path))
                continue
            self.committed.update({one.event.id: one for one in content.events})
            spooled += content.spooled
            dead += content.dead
        self.spooled, self.dead, self.read_s = spooled, dead, begin_s
        self.unreadable = unreadable

    def committed_before(self, at_s: float) -> list[str]:
        """Ids of what was committed up to a time, seconds since 1970 UTC."""
        # A list of it is made at once, while another thread adds to it.
        return [one.event.id for one in list(self.committed.values()) if one.at_s <= at_s]
