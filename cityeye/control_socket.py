"""The control socket: how a command reaches the city that runs, without a port and without secrets.

It lies in the state folder with the rights of its owner alone, and answers nobody else but root. A
request names the file that the city shall read again, and nothing of what is in it; a city never
reads another file than its own.
"""

from __future__ import annotations

import json
import logging
import os
import socket
import stat
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

from cityeye.errors import CommandError
from cityeye.reconfiguration import ChangeOutcome
from pipelines.delivery import make_folder

log = logging.getLogger(__name__)

NAME: Final = "control.sock"
MAX_BYTES: Final = 256 * 1024
REQUEST_TIMEOUT_S: Final = 5.0
ANSWER_TIMEOUT_S: Final = 330.0
"""Longer than the city itself waits for its workers."""

CREDENTIALS: Final = struct.Struct("3i")
"""Process, user and group of whoever is at the other end."""

Apply = Callable[[bool], ChangeOutcome]
"""Applies the file; the argument is whether only to say what would be done."""


@contextmanager
def control_socket(state: Path, config_path: Path, apply: Apply) -> Iterator[None]:
    """Answers requests for as long as the context lasts, one after the other."""
    make_folder(state)
    with socket.socket(socket.AF_UNIX) as listener:
        # The file gets the rights that the socket has when it is bound.
        os.fchmod(listener.fileno(), stat.S_IRUSR | stat.S_IWUSR)
        path = state / NAME
        path.unlink(missing_ok=True)
        with _short(state) as folder:
            listener.bind(f"{folder}/{NAME}")
        own = path.stat().st_ino
        listener.listen()
        answering = threading.Thread(
            target=_answer_all, args=(listener, config_path, apply), name="control", daemon=True
        )
        answering.start()
        try:
            yield
        finally:
            # Wakes the thread, which a close alone would not.
            with suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            answering.join(REQUEST_TIMEOUT_S)
            with suppress(OSError):
                if path.stat().st_ino == own:
                    path.unlink()


def request_apply(state: Path, config_path: Path, *, dry_run: bool) -> ChangeOutcome:
    """Has the city with a state folder apply its file.

    Raises:
        CommandError: No city answers there.
    """
    request = {"apply": str(config_path.resolve()), "dry_run": dry_run}
    with socket.socket(socket.AF_UNIX) as connection, _short(state) as folder:
        connection.settimeout(ANSWER_TIMEOUT_S)
        try:
            connection.connect(f"{folder}/{NAME}")
            connection.sendall(json.dumps(request).encode() + b"\n")
            answer = _read_line(connection)
        except PermissionError:
            raise CommandError(
                f"the city with the state folder {state} is another user's"
            ) from None
        except OSError:
            answer = None
    if answer is None:
        raise CommandError(
            f"no city with the state folder {state} answers; start it with "
            f"`cityeye run {config_path}`"
        )
    return ChangeOutcome(bool(answer["done"]), tuple(answer["lines"]))


@contextmanager
def _short(folder: Path) -> Iterator[str]:
    """A short name of a folder: the path of a socket may have 107 bytes."""
    try:
        descriptor = os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        yield str(folder)
        return
    try:
        yield f"/proc/self/fd/{descriptor}"
    finally:
        os.close(descriptor)


def _answer_all(listener: socket.socket, config_path: Path, apply: Apply) -> None:
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            return  # The city stops.
        with connection:
            try:
                connection.settimeout(REQUEST_TIMEOUT_S)
                answer = _answer(connection, config_path, apply)
                connection.sendall(json.dumps(answer).encode() + b"\n")
            except OSError as error:
                log.warning("control_request_lost", extra={"reason": type(error).__name__})
            except Exception:
                # A defect must not leave the city without its control socket.
                log.exception("control_request_failed")


def _answer(connection: socket.socket, config_path: Path, apply: Apply) -> dict[str, Any]:
    raw = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, CREDENTIALS.size)
    _, user, _ = CREDENTIALS.unpack(raw)
    if user not in {0, os.getuid()}:
        return _refusal("this city is another user's")
    request = _read_line(connection)
    if request is None or not isinstance(request.get("apply"), str):
        return _refusal("the request cannot be read; use the command of the same version")
    if request["apply"] != str(config_path.resolve()):
        return _refusal(f"this city runs {config_path.resolve()}; name that file")
    outcome = apply(request.get("dry_run") is not False)
    return {"done": outcome.done, "lines": list(outcome.lines)}


def _refusal(line: str) -> dict[str, Any]:
    return {"done": False, "lines": [line]}


def _read_line(connection: socket.socket) -> dict[str, Any] | None:
    """A JSON object in one line; None if there is none."""
    received = b""
    while not received.endswith(b"\n") and len(received) <= MAX_BYTES:
        block = connection.recv(65_536)
        if not block:
            break
        received += block
    try:
        value = json.loads(received)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None
