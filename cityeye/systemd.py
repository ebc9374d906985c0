"""What systemd wants to know of a service, by the protocol of sd_notify(3); silent without it."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Mapping, MutableMapping
from typing import Final

SOCKET, WATCHDOG, WATCHDOG_PID = "NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"
VARIABLES: Final = (SOCKET, WATCHDOG, WATCHDOG_PID)
US_PER_S: Final = 1e6


class Systemd:
    """Sends states to the service manager that started this process, if one did.

    Attributes:
        watchdog_s: How often it wants a sign that this process works, in seconds; None if not.
    """

    def __init__(self, environment: Mapping[str, str]) -> None:
        """`environment` is that of this process."""
        self._address = environment.get(SOCKET, "")
        self._status = ""
        mine = environment.get(WATCHDOG_PID, str(os.getpid())) == str(os.getpid())
        interval = environment.get(WATCHDOG, "") if mine else ""
        self.watchdog_s = int(interval) / US_PER_S if interval.isdigit() else None

    def ready(self) -> None:
        """The service does its work."""
        self._send("READY=1")

    def works(self) -> None:
        """The main loop comes round: to be said twice per `watchdog_s`."""
        if self.watchdog_s is not None:
            self._send("WATCHDOG=1")

    def stopping(self) -> None:
        """The service ends."""
        self._send("STOPPING=1")

    def status(self, text: str) -> None:
        """One line for `systemctl status`; repeated ones are not sent."""
        line = " ".join(text.split())
        if line != self._status:
            self._status = line
            self._send(f"STATUS={line}")

    def _send(self, state: str) -> None:
        if not self._address.startswith(("/", "@")):
            return
        # An abstract address begins with a zero byte, written as @.
        address = "\0" + self._address[1:] if self._address[0] == "@" else self._address
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.setblocking(False)
            # A manager that does not listen must not stop the service.
            with contextlib.suppress(OSError):
                sender.sendto(state.encode(), address)


def forget(environment: MutableMapping[str, str]) -> None:
    """Takes the protocol's variables out, so that processes started later do not use them."""
    for name in VARIABLES:
        environment.pop(name, None)
