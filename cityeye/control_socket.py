"""The control socket: how commands and the control API reach the city process, without a port.

It lies in the state folder with the rights of its owner alone, and answers nobody else but root. A
city never reads another configuration than its own.
"""

from __future__ import annotations

import json
import logging
import os
import socket
import stat
import struct
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

from cityeye.errors import CommandError
from cityeye.reconfiguration import ChangeOutcome
from pipelines.delivery import make_folder
from serving import SOCKET_NAME, CityAwayError, ask_city, read_line, short_path

log = logging.getLogger(__name__)

REQUEST_TIMEOUT_S: Final = 5.0
AT_ONCE: Final = 8
"""Requests that are answered at once; more wait."""

CREDENTIALS: Final = struct.Struct("3i")
"""Process, user and group of whoever is at the other end."""

Apply = Callable[[bool], ChangeOutcome]
"""Applies the file; the argument is whether only to say what would be done."""

Ask = Callable[[Mapping[str, Any]], dict[str, Any]]
"""Answers any other request, see `CityRequests`."""


@contextmanager
def control_socket(state: Path, config_path: Path, apply: Apply, ask: Ask) -> Iterator[None]:
    """Answers requests for as long as the context lasts."""
    make_folder(state)
    with socket.socket(socket.AF_UNIX) as listener:
        # The file gets the rights that the socket has when it is bound.
        os.fchmod(listener.fileno(), stat.S_IRUSR | stat.S_IWUSR)
        path = state / SOCKET_NAME
        path.unlink(missing_ok=True)
        with short_path(state) as folder:
            listener.bind(f"{folder}/{SOCKET_NAME}")
        own = path.stat().st_ino
        listener.listen()
        answering = _Answering(listener, config_path, apply, ask)
        accepting = threading.Thread(target=answering.run, name="control", daemon=True)
        accepting.start()
        try:
            yield
        finally:
            # Wakes the thread, which a close alone would not.
            with suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            accepting.join(REQUEST_TIMEOUT_S)
            with suppress(OSError):
                if path.stat().st_ino == own:
                    path.unlink()


def request_apply(state: Path, config_path: Path, *, dry_run: bool) -> ChangeOutcome:
    """Has the city with a state folder apply its file.

    Raises:
        CommandError: No city answers there.
    """
    request = {"apply": str(config_path.resolve()), "dry_run": dry_run}
    answer = request_city(state, config_path, request)
    return ChangeOutcome(bool(answer["done"]), tuple(answer["lines"]))


def request_city(state: Path, config_path: Path, request: Mapping[str, Any]) -> dict[str, Any]:
    """What the city with a state folder answers.

    Raises:
        CommandError: No city answers there.
    """
    try:
        return ask_city(state, request)
    except PermissionError:
        raise CommandError(f"the city with the state folder {state} is another user's") from None
    except CityAwayError:
        raise CommandError(
            f"no city with the state folder {state} answers; start it with "
            f"`cityeye run {config_path}`"
        ) from None


class _Answering:
    """Answers what comes to a socket, a few requests at a time."""

    def __init__(self, listener: socket.socket, config_path: Path, apply: Apply, ask: Ask) -> None:
        self._listener = listener
        self._path = str(config_path.resolve())
        self._apply = apply
        self._ask = ask
        self._seats = threading.BoundedSemaphore(AT_ONCE)

    def run(self) -> None:
        """Until the socket is shut down."""
        while True:
            self._seats.acquire()
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return  # The city stops.
            threading.Thread(target=self._attend, args=(connection,), daemon=True).start()

    def _attend(self, connection: socket.socket) -> None:
        try:
            with connection:
                connection.settimeout(REQUEST_TIMEOUT_S)
                answer = self._answer(connection)
                connection.sendall(json.dumps(answer).encode() + b"\n")
        except OSError as error:
            log.warning("control_request_lost", extra={"reason": type(error).__name__})
        except Exception:
            # A defect must not leave the city without its control socket.
            log.exception("control_request_failed")
        finally:
            self._seats.release()

    def _answer(self, connection: socket.socket) -> dict[str, Any]:
        raw = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, CREDENTIALS.size)
        _, user, _ = CREDENTIALS.unpack(raw)
        if user not in {0, os.getuid()}:
            return _refusal("this city is another user's")
        request = read_line(connection)
        if request is not None and "ask" in request:
            if request.pop("config", self._path) != self._path:
                return _refusal(f"this city runs {self._path}; name that file")
            return self._ask(request)
        if request is None or not isinstance(request.get("apply"), str):
            return _refusal("the request cannot be read; use the command of the same version")
        if request["apply"] != self._path:
            return _refusal(f"this city runs {self._path}; name that file")
        outcome = self._apply(request.get("dry_run") is not False)
        return {"done": outcome.done, "lines": list(outcome.lines)}


def _refusal(line: str) -> dict[str, Any]:
    return {"done": False, "lines": [line], "status": 403, "body": {"lines": [line]}}
