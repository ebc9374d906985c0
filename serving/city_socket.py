"""`ask_city`: how the control API and commands reach the city process, without a port.

The socket lies in the state folder with the rights of its owner alone. A request and its answer are
one line of JSON each.
"""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from serving.errors import CityAwayError

SOCKET_NAME: Final = "control.sock"
MAX_LINE_BYTES: Final = 8 * 1024 * 1024
ANSWER_TIMEOUT_S: Final = 330.0
"""Longer than the city itself waits for its workers."""


def ask_city(state: Path, request: Mapping[str, Any]) -> dict[str, Any]:
    """What the city with a state folder answers.

    Raises:
        PermissionError: It is another user's.
        CityAwayError: No city answers there.
    """
    with socket.socket(socket.AF_UNIX) as connection, short_path(state) as folder:
        connection.settimeout(ANSWER_TIMEOUT_S)
        try:
            connection.connect(f"{folder}/{SOCKET_NAME}")
            connection.sendall(json.dumps(request).encode() + b"\n")
            answer = read_line(connection)
        except PermissionError:
            raise
        except OSError:
            answer = None
    if answer is None:
        raise CityAwayError(f"no city with the state folder {state} answers on this machine")
    return answer


@contextmanager
def short_path(folder: Path) -> Iterator[str]:
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


def read_line(connection: socket.socket) -> dict[str, Any] | None:
    """A JSON object in one line; None if there is none."""
    received = bytearray()
    while not received.endswith(b"\n") and len(received) <= MAX_LINE_BYTES:
        block = connection.recv(65_536)
        if not block:
            break
        received += block
    try:
        value = json.loads(received)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None
