"""The embedded hub in a process of its own: what the console does costs no frame its turn."""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path

from cityeye.config.schema import HubSection
from cityeye.errors import CommandError
from event_hub import HubSettings
from pipelines import KeyframeMissing, StoreError
from pipelines.access import TokenFileError
from pipelines.delivery import KeyframeSettings, KeyframeStore

START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 15.0
EVENTS_PATH = "/api/events"


@contextmanager
def hub_process(
    section: HubSection, keyframes: KeyframeSettings, tokens: Path
) -> Iterator[Callable[[], str]]:
    """A hub that starts beside other things; after the context its database is closed.

    It gets `section` of the configuration, finds images in the store `keyframes`, and lets in who
    has one of the `tokens` in that folder. A hub that does not end in time is killed.

    Yields:
        A function that waits until the hub listens, to be called once, and returns its address:
        the console, and before `EVENTS_PATH` where it takes events. It raises `CommandError` with
        the reason where the hub did not start.
    """
    settings = HubSettings(
        host=section.host,
        port=section.port,
        database=section.database.get_secret_value(),
        access=tokens,
        hosts=section.hosts,
        certificate=section.certificate,
        key=section.key,
        without_tls=section.without_tls,
    )
    context = multiprocessing.get_context("spawn")
    answer, there = context.Pipe(duplex=False)
    process = context.Process(target=_serve, args=(settings, keyframes, there), name="event-hub")
    process.start()
    there.close()
    try:
        yield lambda: _address(answer)
    finally:
        process.terminate()
        process.join(STOP_TIMEOUT_S)
        if process.is_alive():
            process.kill()
            process.join()


def _address(connection: Connection) -> str:
    try:
        answered = connection.poll(START_TIMEOUT_S)
        answer = str(connection.recv()) if answered else "it does not answer"
    except EOFError:
        answer = "its process ended without an answer"
    if not answer.startswith("http"):
        raise CommandError(f"the event hub did not start: {answer}")
    return answer


def _serve(settings: HubSettings, keyframes: KeyframeSettings, answer: Connection) -> None:
    """The child: serves until SIGTERM. Ctrl-C at the terminal is the parent's business."""
    from event_hub import Hub, HubError

    os.setsid()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    logging.basicConfig(level=logging.WARNING)
    try:
        Hub(settings, _StoreKeyframes(keyframes.open()), answer.send).run()
    except (HubError, TokenFileError, OSError) as error:
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
