"""A reader under observation: runs one camera and lets a test wait for what it does."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest

from camera_adapters.backoff import BackoffPolicy, RetryDelays
from camera_adapters.factory import open_source
from camera_adapters.frame import Frame
from camera_adapters.geometry import Size, ViewSpec
from camera_adapters.intake import Mailbox
from camera_adapters.reader import CameraReader
from camera_adapters.source import VideoSource
from camera_adapters.spec import CameraSpec, Credentials
from camera_adapters.state import CameraState, StateChange

WAIT_S = 20.0
QUICK = RetryDelays(BackoffPolicy(0.05, 0.05, spread=0.0), BackoffPolicy(0.05, 0.05, spread=0.0))
VIEW = ViewSpec(Size(320, 192))


def camera(
    source: str,
    rates: Mapping[str, float] | None = None,
    *,
    credentials: Credentials | None = None,
    open_timeout_s: float = 5.0,
    read_timeout_s: float = 1.5,
    transport: str = "tcp",
) -> CameraSpec:
    """A camera with timeouts that suit a test."""
    return CameraSpec(
        id="gate-1",
        source=source,
        credentials=credentials,
        rates={"traffic": 12.5} if rates is None else rates,
        open_timeout_s=open_timeout_s,
        read_timeout_s=read_timeout_s,
        transport=transport,
    )


def logged(caplog: pytest.LogCaptureFixture, event: str) -> list[dict[str, Any]]:
    """The attributes of every log record of an event."""
    return [vars(record) for record in caplog.records if record.message == event]


class Watched:
    """A running reader with every state change that it reported."""

    def __init__(
        self,
        spec: CameraSpec,
        views: Mapping[str, ViewSpec] | None,
        delays: RetryDelays,
        opener: Callable[[CameraSpec], VideoSource],
    ) -> None:
        self.changes: list[StateChange] = []
        self._changed = threading.Condition()
        self._arrived = threading.Event()
        self.mailbox = Mailbox(self._arrived.set)
        self._views = dict.fromkeys(spec.rates, VIEW) if views is None else views
        self.reader = CameraReader(spec, self.mailbox, self._note, delays=delays, opener=opener)

    @property
    def states(self) -> list[CameraState]:
        return [change.state for change in self.changes]

    def wait_for(self, state: CameraState, *, after: int = 0) -> StateChange:
        """The first change to `state` at or after position `after` in `changes`."""

        def found() -> StateChange | None:
            return next((c for c in self.changes[after:] if c.state is state), None)

        with self._changed:
            assert self._changed.wait_for(lambda: found() is not None, WAIT_S), (
                f"no {state}: {self.changes}"
            )
        change = found()
        assert change is not None
        return change

    def wait_until(self, condition: Callable[[], bool]) -> None:
        """Waits for something that the reader counts."""
        deadline_s = time.monotonic() + WAIT_S
        while not condition():
            assert time.monotonic() < deadline_s, self.reader.counters
            time.sleep(0.005)

    def wait_for_decoded(self, count: int) -> None:
        """Waits until so many images were decoded."""
        self.wait_until(lambda: self.reader.counters.decoded >= count)

    def frame(self) -> Frame:
        """The next frame."""
        deadline_s = time.monotonic() + WAIT_S
        while True:
            self._arrived.clear()
            frame = self._taken()
            if frame is not None:
                return frame
            assert self._arrived.wait(deadline_s - time.monotonic()), self.reader.counters

    def _taken(self) -> Frame | None:
        """The frame in the mailbox, converted for its tasks."""
        frame = self.mailbox.take()
        return frame and frame.converted(frozenset(self._views[task] for task in frame.tasks))

    def frames_to_end(self) -> list[Frame]:
        """All frames of a recording."""
        frames: list[Frame] = []
        deadline_s = time.monotonic() + WAIT_S
        while True:
            self._arrived.clear()
            frame = self._taken()
            if frame is not None:
                frames.append(frame)
            elif self.reader.ended:
                return frames
            else:
                assert time.monotonic() < deadline_s, self.reader.counters
                self._arrived.wait(0.02)

    def _note(self, change: StateChange) -> None:
        with self._changed:
            self.changes.append(change)
            self._changed.notify_all()


@contextmanager
def watching(
    spec: CameraSpec,
    views: Mapping[str, ViewSpec] | None = None,
    *,
    delays: RetryDelays = QUICK,
    opener: Callable[[CameraSpec], VideoSource] = open_source,
) -> Iterator[Watched]:
    """Runs a reader for the length of a `with` block."""
    watched = Watched(spec, views, delays, opener)
    watched.reader.start()
    try:
        yield watched
    finally:
        stopped = watched.reader.stop(WAIT_S)
    assert stopped, "the reader's thread did not end"
