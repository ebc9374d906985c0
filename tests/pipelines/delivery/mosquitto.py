"""Debian's mosquitto on a free port of this machine, and a subscriber that notes all it gets.

`.ci/apt-packages.txt` names the package; where it is missing, tests that need it are skipped unless
CITYEYE_REQUIRE_FOREIGN_SERVERS=1 says that they must run.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

WAIT_S = 20.0
EVERYTHING = "user reader\ntopic read #\nuser writer\ntopic write #\n"
NOTHING = "user reader\ntopic read #\n"


def executable() -> str:
    """The path of mosquitto; skips the test where there is none."""
    found = shutil.which("mosquitto", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if found is None:
        reason = "mosquitto is not installed"
        if os.environ.get("CITYEYE_REQUIRE_FOREIGN_SERVERS") == "1":
            pytest.fail(f"{reason}; install .ci/apt-packages.txt")
        pytest.skip(reason)
    return found


class Mosquitto:
    """A broker and its subscriber; both start on construction. Users are `writer` and `reader`."""

    def __init__(self, folder: Path, *lines: str, subscribed: bool = True) -> None:
        self._program = executable()
        self._folder = folder
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self.port = probe.getsockname()[1]
        self._acl = folder / "acl"
        self._acl.write_text(EVERYTHING)
        self._configuration = folder / "mosquitto.conf"
        self._configuration.write_text(
            "\n".join(
                [
                    f"listener {self.port} 127.0.0.1",
                    "allow_anonymous true",
                    f"acl_file {self._acl}",
                    "persistence false",
                    # Run by root, it would become the user of its package, who owns no folder here.
                    f"user {os.environ.get('USER', 'root')}",
                    *lines,
                ]
            )
        )
        self.messages: list[MQTTMessage] = []
        self._subscribed = threading.Event()
        self._process: subprocess.Popen[bytes] | None = None
        self._reader: Client | None = None
        self._has_reader = subscribed
        self.start()

    @property
    def url(self) -> str:
        return f"mqtt://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Returns when the broker answers and the subscriber is there."""
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [self._program, "-c", str(self._configuration)], stdout=log, stderr=log
            )
        self._wait_for(self._answers, "mosquitto does not listen")
        if self._has_reader:
            self._reader = self._new_reader()
            self._reader.connect("127.0.0.1", self.port, clean_start=True)
            self._reader.loop_start()
            assert self._subscribed.wait(WAIT_S), "the subscriber does not get through"

    def kill(self) -> None:
        if self._reader is not None:
            self._reader.disconnect()
            self._reader.loop_stop()
        self._subscribed.clear()
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def stall(self) -> None:
        self._signal(signal.SIGSTOP)

    def go_on(self) -> None:
        self._signal(signal.SIGCONT)

    def refuse(self) -> None:
        """The writer may write nothing any more."""
        self._allow(NOTHING)

    def accept(self) -> None:
        self._allow(EVERYTHING)

    def settle(self, quiet_s: float = 0.3) -> None:
        """Waits until nothing has come for a while, but not for ever."""
        count, until_s = -1, time.monotonic() + 5 * quiet_s
        while count != len(self.messages) and time.monotonic() < until_s:
            count = len(self.messages)
            time.sleep(quiet_s)

    def close(self) -> None:
        if self._process is not None:
            self.go_on()
            self.kill()

    def _allow(self, rules: str) -> None:
        self._acl.write_text(rules)
        self._signal(signal.SIGHUP)
        # It reads the file in its next round, and answers nothing about it.
        time.sleep(0.3)

    def _signal(self, number: int) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def _answers(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.port), 1.0).close()
        except OSError:
            return False
        return True

    def _new_reader(self) -> Client:
        reader = Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv5)
        reader.username_pw_set("reader")
        reader.on_connect = lambda client, *_: client.subscribe("#", qos=1)
        reader.on_subscribe = lambda *_: self._subscribed.set()
        reader.on_message = lambda _, __, message: self.messages.append(message)
        return reader

    def _wait_for(self, condition: Callable[[], bool], otherwise: str) -> None:
        until_s = time.monotonic() + WAIT_S
        while not condition():
            assert time.monotonic() < until_s, otherwise
            time.sleep(0.05)


def retained(port: int) -> list[MQTTMessage]:
    """What a subscriber gets that comes now."""
    found: list[MQTTMessage] = []
    there = threading.Event()
    client = Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv5)
    client.username_pw_set("reader")
    client.on_message = lambda _, __, message: found.append(message)
    client.on_subscribe = lambda *_: there.set()
    client.on_connect = lambda client, *_: client.subscribe("#", qos=1)
    properties = Properties(PacketTypes.CONNECT)
    client.connect("127.0.0.1", port, clean_start=True, properties=properties)
    client.loop_start()
    assert there.wait(WAIT_S)
    time.sleep(0.3)
    client.disconnect()
    client.loop_stop()
    return found
