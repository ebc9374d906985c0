"""The embedded hub in a process of its own: what the console does costs no frame its turn.

A hub that ends or does not answer is started again, on the same address and database; what the
workers could not deliver meanwhile is in their outboxes.
"""

from __future__ import annotations

import contextlib
import http.client
import logging
import multiprocessing
import os
import signal
import ssl
import sys
import threading
import time
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from camera_adapters import BackoffPolicy
from cityeye.config.schema import HubSection
from cityeye.errors import CommandError
from cityeye.hub_places import StoredEvidence
from cityeye.logs import LogFormat, log_settings, set_up_logs
from cityeye.processes import how_it_ended
from event_hub import ControlSettings, HubRetention, HubSettings
from pipelines import HoldsUnreadable, StoreError
from pipelines.access import TokenFileError
from pipelines.delivery import Holds, KeyframeSettings, KeyframeStore
from pipelines.free_memory import share_heaps
from pipelines.keyframe_key import incident_tag
from pipelines.tracing import TraceSettings

if TYPE_CHECKING:
    from event_hub import Hub

log = logging.getLogger(__name__)

START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 15.0
EVENTS_PATH = "/api/events"
HEALTH_PATH: Final = "/healthz"
ASK_EVERY_S: Final = 3.0
ASK_TIMEOUT_S: Final = 2.0
TELL_EVERY_S: Final = 2.0
SILENT_S: Final = 15.0
"""How long a hub may leave questions unanswered before it is replaced."""

NAMED_AFTER_S: Final = 7.0
"""How long it may do so before that is said: two questions in a row."""

RESTARTS: Final = BackoffPolicy(first_s=1.0, cap_s=30.0, spread=0.0)
"""Waits before it is started again; the first restart does not wait."""

SOUND_S: Final = 300.0
"""A hub that has run for so long is started again without a wait."""


class HubProcess:
    """A hub that starts beside other things; after the context its database is closed.

    A hub that does not end in time is killed. To be used by one thread.
    """

    def __init__(
        self,
        section: HubSection,
        keyframes: KeyframeSettings,
        tokens: Path,
        retention: HubRetention = HubRetention(),  # noqa: B008 - it cannot be changed
        control: ControlSettings | None = None,
        traces: TraceSettings | None = None,
    ) -> None:
        """Prepares.

        Args:
            section: Of the configuration.
            keyframes: The store in which it finds images.
            tokens: Folder of the tokens with which it lets somebody in.
            retention: How much it keeps.
            control: Its way to the control API, if it has one.
            traces: Where spans of events of traced frames go, if anywhere.
        """
        self._settings = HubSettings(
            host=section.host,
            port=section.port,
            database=section.database,
            access=tokens,
            hosts=section.hosts,
            certificate=section.certificate,
            key=section.key,
            without_tls=section.without_tls,
            silence_limit_s=section.silence_limit_s,
            cases=section.cases,
            subscriptions=section.subscriptions,
            oidc=section.oidc,
            map_tiles=section.map_tiles,
            address=section.address or "",
            retention=retention,
            control=control,
            traces=traces,
        )
        self._keyframes = keyframes
        self._process: BaseProcess | None = None
        self._url = ""
        self._listens = False
        self._problem = ""
        self._problems: tuple[str, ...] = ()
        self._restarts = 0
        self._next_start_s = 0.0

    def __enter__(self) -> HubProcess:
        """Starts the hub, and does not wait for it."""
        self._start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stops the hub."""
        if self._process is None:
            return
        self._process.terminate()
        self._process.join(STOP_TIMEOUT_S)
        self._kill()

    @property
    def pid(self) -> int | None:
        """Id of its process, None while there is none."""
        return self._process.pid if self._process else None

    @property
    def problems(self) -> tuple[str, ...]:
        """What is wrong with what it keeps, a sentence each, as of the last `check`."""
        return self._problems

    def wait(self) -> str:
        """Waits until the hub listens for the first time.

        Returns:
            Its address: the console, and before `EVENTS_PATH` where it takes events.

        Raises:
            CommandError: It did not start; the text says why.
        """
        answered = self._answer.poll(START_TIMEOUT_S)
        self._note_answer(self._received() if answered else "it does not answer")
        if not self._listens:
            raise CommandError(f"the event hub did not start: {self._problem}")
        return self._url

    def check(self) -> str:
        """Asks the hub how it is and replaces it if need be; to be called every second or so.

        Returns:
            Why it is away, in a sentence; empty while it answers.
        """
        now_s = time.monotonic()
        if self._process is None:
            if now_s >= self._next_start_s:
                self._start()
        elif not self._listens:
            self._check_start(now_s)
        else:
            self._check_answers(now_s)
        return f"the event hub is away: {self._problem}" if self._problem else ""

    def _start(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._answer, there = context.Pipe(duplex=False)
        self._process = context.Process(
            target=_serve,
            args=(self._settings, self._keyframes, there, log_settings()[0]),
            name="event-hub",
        )
        self._process.start()
        there.close()
        self._listens = False
        self._problems = ()
        self._started_s = self._answered_s = self._asked_s = time.monotonic()

    def _received(self) -> str:
        try:
            return str(self._answer.recv())
        except EOFError:
            return "its process ended without an answer"

    def _note_answer(self, answer: str) -> None:
        self._listens = answer.startswith("http")
        if self._listens:
            self._url = answer
            # With port 0 in the configuration it is this one from now on.
            port = urlsplit(answer).port
            self._settings = self._settings.model_copy(update={"port": port})
            self._answered_s = time.monotonic()
            self._problem = ""
        else:
            self._problem = answer

    def _check_start(self, now_s: float) -> None:
        if self._answer.poll():
            self._note_answer(self._received())
            if not self._listens:
                self._end(self._problem)
        elif now_s - self._started_s > START_TIMEOUT_S:
            self._end(f"it did not start within {START_TIMEOUT_S:.0f} s")

    def _check_answers(self, now_s: float) -> None:
        if self._process is not None and not self._process.is_alive():
            self._end(how_it_ended(self._process.exitcode or 0))
            return
        self._read_problems()
        if now_s - self._asked_s < ASK_EVERY_S:
            return
        self._asked_s = now_s
        if _answers(self._url):
            self._answered_s = now_s
            self._problem = ""
            return
        silent_s = now_s - self._answered_s
        if silent_s > SILENT_S:
            self._end(f"it did not answer for {silent_s:.0f} s")
        elif silent_s > NAMED_AFTER_S:
            self._problem = f"it has not answered for {silent_s:.0f} s"

    def _read_problems(self) -> None:
        # One that has just ended is noticed in the next round.
        with contextlib.suppress(EOFError):
            while self._answer.poll():
                self._problems = self._answer.recv()

    def _end(self, problem: str) -> None:
        """Ends what is left of it; a new one comes after a back-off."""
        log.warning("hub_replaced", extra={"reason": problem})
        self._problem, self._problems = problem, ()
        self._kill()
        now_s = time.monotonic()
        if now_s - self._started_s > SOUND_S:
            self._restarts = 0
        wait_s = RESTARTS.wait_s(self._restarts)
        self._restarts += 1
        self._next_start_s = now_s + wait_s

    def _kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.join()
            self._process = None
            self._answer.close()


def _answers(url: str) -> bool:
    """Whether anything of HTTP comes back; what it says is for others."""
    parts = urlsplit(url)
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(parts.hostname or "", parts.hostname)  # noqa: S104
    connection: http.client.HTTPConnection
    if parts.scheme == "https":
        # It is our own child, and nothing secret is said.
        any_certificate = ssl.create_default_context()
        any_certificate.check_hostname = False
        any_certificate.verify_mode = ssl.CERT_NONE
        connection = http.client.HTTPSConnection(
            str(host), parts.port, timeout=ASK_TIMEOUT_S, context=any_certificate
        )
    else:
        connection = http.client.HTTPConnection(str(host), parts.port, timeout=ASK_TIMEOUT_S)
    try:
        connection.request("GET", HEALTH_PATH)
        connection.getresponse()
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
    return True


def _serve(
    settings: HubSettings, keyframes: KeyframeSettings, answer: Connection, log_format: LogFormat
) -> None:
    """The child: serves until SIGTERM. Ctrl-C at the terminal is the parent's business."""
    share_heaps()
    from event_hub import Hub, HubError

    os.setsid()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    set_up_logs(log_format, "warning", sys.stderr)

    def listens(url: str) -> None:
        answer.send(url)
        threading.Thread(target=_tell_problems, args=(hub, answer), daemon=True).start()

    try:
        source = _StoreKeyframes(keyframes.open(), Holds(settings.access.parent))
        hub = Hub(settings, source, listens)
        hub.run()
    except (HubError, TokenFileError, OSError) as error:
        answer.send(str(error))


def _tell_problems(hub: Hub, answer: Connection) -> None:
    """Sends what is wrong with what the hub keeps, whenever that changes."""
    told: tuple[str, ...] = ()
    # A parent that is gone ends this process by other means.
    with contextlib.suppress(OSError):
        while True:
            problems = hub.problems()
            if problems != told:
                told = problems
                answer.send(problems)
            time.sleep(TELL_EVERY_S)


def _end_with_parent() -> None:
    """A hub whose parent was killed must not hold its port and database for ever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os.kill(os.getpid(), signal.SIGTERM)


class _StoreKeyframes(StoredEvidence):
    """The hub's source of keyframes over the store that the workers fill."""

    def __init__(self, store: KeyframeStore, holds: Holds) -> None:
        super().__init__(store)
        self._holds = holds

    def remove(self, key: str) -> None:
        """Deletes what lies under a key; nothing there is no error.

        Raises:
            OSError: The store does not do it now.
        """
        try:
            self._store.remove(key)
        except StoreError as error:
            raise OSError(str(error)) from error

    def is_held(self, key: str) -> bool:
        """Whether it is of an incident that `cityeye hold` keeps.

        Raises:
            OSError: The holds cannot be read.
        """
        name = key.rpartition("/")[2]
        try:
            held = self._holds.all()
        except HoldsUnreadable as error:
            raise OSError(str(error)) from error
        return any(name.startswith(f"{incident_tag(one.incident)}_") for one in held)
