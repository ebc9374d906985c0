"""A hub in a thread of the test's process."""

from __future__ import annotations

import threading
from types import TracebackType

from event_hub.errors import HubStartError
from event_hub.keyframes import KeyframeSource
from event_hub.server import Hub
from event_hub.settings import HubSettings

START_TIMEOUT_S = 30.0
STOP_TIMEOUT_S = 10.0


class HubThread:
    """A hub in a thread of this process; as a context manager it is ready inside the block.

    The console can run once per process: give `console=False` where there may be several hubs.
    """

    def __init__(self, settings: HubSettings, keyframes: KeyframeSource) -> None:
        self._ready = threading.Event()
        self._hub = Hub(settings, keyframes, lambda _: self._ready.set())
        self._thread = threading.Thread(target=self._hub.run, name="event-hub", daemon=True)

    @property
    def url(self) -> str:
        """Where the hub listens."""
        return self._hub.url

    def start(self) -> None:
        """Returns when the hub listens.

        Raises:
            HubStartError: It does not.
        """
        self._thread.start()
        if not self._ready.wait(START_TIMEOUT_S):
            self.stop()
            raise HubStartError("the hub's server did not start: the log says why")

    def stop(self) -> None:
        """Returns when the hub has ended and its database is closed. May be called twice."""
        self._hub.stop()
        if self._thread.ident is not None:
            self._thread.join(STOP_TIMEOUT_S)
            assert not self._thread.is_alive(), f"the hub {self.url} did not stop"

    def __enter__(self) -> HubThread:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()
