"""The embedded hub in a process of its own: what the console does costs no frame its turn."""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import threading
from multiprocessing.connection import Connection
from types import TracebackType

from cityeye.config.schema import HubSection
from cityeye.errors import CommandError
from event_hub.settings import HubSettings
from pipelines.delivery.stores.registry import KeyframeSettings
from pipelines.delivery.stores.store import KeyframeStore
from pipelines.errors import KeyframeMissing, StoreError

START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 15.0
EVENTS_PATH = "/api/events"


class HubProcess:
    """A hub in the making, so that other things can start beside it.

    It runs inside the context; after it, its database is closed.
    """

    def __init__(self, section: HubSection, keyframes: KeyframeSettings) -> None:
        """Describes the hub.

        Args:
            section: The configuration's section.
            keyframes: Where it finds images.
        """
        self._settings = HubSettings(
            host=section.host, port=section.port, database=section.database.get_secret_value()
        )
        self._keyframes = keyframes

    def __enter__(self) -> HubProcess:
        """Starts it; `wait` returns when it is ready."""
        context = multiprocessing.get_context("spawn")
        self._answer, there = context.Pipe(duplex=False)
        self._process = context.Process(
            target=_serve, args=(self._settings, self._keyframes, there), name="event-hub"
        )
        self._process.start()
        there.close()
        return self

    def wait(self) -> str:
        """Waits until the hub listens; once.

        Returns:
            Its address: the console, and before `EVENTS_PATH` where it takes events.

        Raises:
            CommandError: It did not start; the text says why.
        """
        answer = _first_message(self._answer)
        if not answer.startswith("http"):
            raise CommandError(f"the event hub did not start: {answer}")
        return answer

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stops it; a hub that does not end in time is killed."""
        self._process.terminate()
        self._process.join(STOP_TIMEOUT_S)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()


def _first_message(connection: Connection) -> str:
    """The first message of the child: its URL, or why it has none."""
    try:
        return str(connection.recv()) if connection.poll(START_TIMEOUT_S) else "it does not answer"
    except EOFError:
        return "its process ended without an answer"


def _serve(settings: HubSettings, keyframes: KeyframeSettings, answer: Connection) -> None:
    """The child: serves until SIGTERM. Ctrl-C at the terminal is the parent's business."""
    from event_hub.errors import HubError
    from event_hub.server import Hub

    os.setsid()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    logging.basicConfig(level=logging.WARNING)
    try:
        Hub(settings, _StoreKeyframes(keyframes.open()), answer.send).run()
    except (HubError, OSError) as error:
        answer.send(str(error))


def _end_with_parent() -> None:
    """A hub whose parent was killed must not hold its port and database for ever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os.kill(os.getpid(), signal.SIGTERM)


class _StoreKeyframes:
    """The hub's source of keyframes over the store that the workers fill."""

    def __init__(self, store: KeyframeStore) -> None:
        self._store = store

    def fetch(self, key: str) -> bytes:
        """The image's bytes.

        Raises:
            LookupError: There is none under this key.
            OSError: The store cannot be reached.
        """
        try:
            return self._store.get(key)
        except KeyframeMissing as error:
            raise KeyError(key) from error
        except StoreError as error:
            raise OSError(str(error)) from error
