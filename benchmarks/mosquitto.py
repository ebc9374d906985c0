"""Debian's mosquitto on this machine: an MQTT 5 broker, with the faults that brokers have.

It is started by us, listens on loopback, and keeps nothing on disk.
"""

from __future__ import annotations

import contextlib
import getpass
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import Final

from benchmarks.errors import BenchmarkError

WRITER: Final = "writer"
READER: Final = "reader"
EVERYTHING: Final = f"topic write #\nuser {READER}\ntopic read #\nuser {WRITER}\ntopic write #\n"
NOTHING: Final = f"user {READER}\ntopic read #\n"
START_S: Final = 20.0
_MOSQUITTO: Final = "mosquitto"
_TAKES_EFFECT_S: Final = 0.3
"""It reads the file of rights in its next round, and says nothing about it."""


def mosquitto_path() -> str | None:
    """Where the program is; None where it is not installed."""
    # Debian keeps it where only the administrator's shell looks.
    return shutil.which(_MOSQUITTO) or shutil.which(_MOSQUITTO, path="/usr/sbin")


def check_mosquitto() -> None:
    """Makes certain that the broker can be started.

    Raises:
        BenchmarkError: It is not installed.
    """
    if mosquitto_path() is None:
        raise BenchmarkError("an MQTT broker is needed: apt-get install mosquitto")


class Mosquitto:
    """Starts with `start`. `reader` subscribes; `writer` publishes, and so does who has no name.

    Attributes:
        port: Where it listens; the same for good.
    """

    def __init__(self, folder: Path, port: int, *lines: str) -> None:
        """`folder` is for its files; `lines` are added to its configuration.

        Raises:
            BenchmarkError: It is not installed.
        """
        check_mosquitto()
        self.port = port
        self._folder = folder
        self._rights = folder / "acl"
        self._rights.write_text(EVERYTHING)
        self._configuration = folder / "mosquitto.conf"
        self._configuration.write_text(
            "\n".join(
                [
                    f"listener {port} 127.0.0.1",
                    "allow_anonymous true",
                    f"acl_file {self._rights}",
                    "persistence false",
                    # Run by root, it would become the user of its package, who owns no folder here.
                    f"user {getpass.getuser()}",
                    *lines,
                ]
            )
        )
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Its address."""
        return f"mqtt://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Returns when it listens.

        Raises:
            BenchmarkError: It does not.
        """
        with (self._folder / "mosquitto.log").open("ab") as log:
            self._process = subprocess.Popen(
                [mosquitto_path() or _MOSQUITTO, "-c", str(self._configuration)],
                stdout=log,
                stderr=log,
            )
        until_s = time.monotonic() + START_S
        while time.monotonic() < until_s:
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", self.port), 1.0).close()
                return
            time.sleep(0.05)
        raise BenchmarkError(f"the broker does not listen on port {self.port}; try it by hand")

    def kill(self) -> None:
        """Ends it at once, frozen or not."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def freeze(self) -> None:
        """It stays there and answers nothing."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """It goes on."""
        self._signal(signal.SIGCONT)

    def refuse(self) -> None:
        """Nobody may write any more; counts from the next start where it is down."""
        self._allow(NOTHING)

    def accept(self) -> None:
        """Whoever publishes may write everything again."""
        self._allow(EVERYTHING)

    def _allow(self, rights: str) -> None:
        self._rights.write_text(rights)
        if self._process is not None:
            self._signal(signal.SIGHUP)
            time.sleep(_TAKES_EFFECT_S)

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(number)
