"""Debian's mosquitto on a free port of this machine, and a subscriber that notes all it gets.

`.ci/apt-packages.txt` names the package; where it is missing, tests that need it are skipped unless
CITYEYE_REQUIRE_FOREIGN_SERVERS=1 says that they must run.
"""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import pytest
from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from benchmarks.chaos.listening_ports import free_port
from benchmarks.mosquitto import READER, Mosquitto, mosquitto_path

WAIT_S = 20.0


def require_mosquitto() -> None:
    """Skips the test where there is none."""
    if mosquitto_path() is None:
        reason = "mosquitto is not installed"
        if os.environ.get("CITYEYE_REQUIRE_FOREIGN_SERVERS") == "1":
            pytest.fail(f"{reason}; install .ci/apt-packages.txt")
        pytest.skip(reason)


class ReadBroker(Mosquitto):
    """A broker and its subscriber; both start on construction."""

    def __init__(self, folder: Path, *lines: str, subscribed: bool = True) -> None:
        require_mosquitto()
        super().__init__(folder, free_port(), *lines)
        self.messages: list[MQTTMessage] = []
        self._subscribed = threading.Event()
        self._reader: Client | None = None
        self._has_reader = subscribed
        self.start()

    def start(self) -> None:
        """Returns when the broker answers and the subscriber is there."""
        super().start()
        if self._has_reader:
            self._reader = self._new_reader()
            self._reader.connect("127.0.0.1", self.port, clean_start=True)
            self._reader.loop_start()
            assert self._subscribed.wait(WAIT_S), "the subscriber does not get through"

    def kill(self) -> None:
        """Ends both."""
        if self._reader is not None:
            self._reader.disconnect()
            self._reader.loop_stop()
        self._subscribed.clear()
        super().kill()

    def settle(self, quiet_s: float = 0.3) -> None:
        """Waits until nothing has come for a while, but not for ever."""
        count, until_s = -1, time.monotonic() + 5 * quiet_s
        while count != len(self.messages) and time.monotonic() < until_s:
            count = len(self.messages)
            time.sleep(quiet_s)

    def close(self) -> None:
        """Ends both, frozen or not."""
        self.thaw()
        self.kill()

    def _new_reader(self) -> Client:
        reader = Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv5)
        reader.username_pw_set(READER)
        reader.on_connect = lambda client, *_: client.subscribe("#", qos=1)
        reader.on_subscribe = lambda *_: self._subscribed.set()
        reader.on_message = lambda _, __, message: self.messages.append(message)
        return reader


def retained(port: int) -> list[MQTTMessage]:
    """What a subscriber gets that comes now."""
    found: list[MQTTMessage] = []
    there = threading.Event()
    client = Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv5)
    client.username_pw_set(READER)
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
