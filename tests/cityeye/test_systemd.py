"""The service manager hears what it wants to hear, through a socket that stands for it here."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from cityeye.systemd import VARIABLES, Systemd, forget

UNIT = Path(__file__).parents[2] / "k8s" / "systemd" / "cityeye.service"
PROGRAM = "/opt/cityeye/.venv/bin/cityeye"


class Manager:
    """Receives what a service sends."""

    def __init__(self, address: str) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind("\0" + address[1:] if address.startswith("@") else address)
        self.socket.settimeout(5)
        self.address = address

    def received(self) -> str:
        return self.socket.recv(4096).decode()


@pytest.fixture(params=["path", "abstract"])
def manager(request, tmp_path):
    address = str(tmp_path / "notify") if request.param == "path" else f"@cityeye-{os.getpid()}"
    manager = Manager(address)
    yield manager
    manager.socket.close()


def test_the_life_of_a_service_is_told_in_order(manager):
    systemd = Systemd({"NOTIFY_SOCKET": manager.address, "WATCHDOG_USEC": "4000000"})
    systemd.ready()
    systemd.status("2 of 2 cameras\nonline")
    systemd.status("2 of 2 cameras online")
    systemd.works()
    systemd.stopping()
    assert [manager.received() for _ in range(4)] == [
        "READY=1",
        "STATUS=2 of 2 cameras online",
        "WATCHDOG=1",
        "STOPPING=1",
    ]
    assert systemd.watchdog_s == 4.0


@pytest.mark.parametrize(
    "environment",
    [{}, {"WATCHDOG_USEC": "soon"}, {"WATCHDOG_USEC": "1000000", "WATCHDOG_PID": "1"}],
    ids=["none", "no number", "of another process"],
)
def test_nothing_is_told_to_a_watchdog_that_is_not_ours(manager, environment):
    systemd = Systemd({"NOTIFY_SOCKET": manager.address, **environment})
    assert systemd.watchdog_s is None
    systemd.works()
    systemd.ready()
    assert manager.received() == "READY=1"


@pytest.mark.parametrize("address", [None, "", "relative", "/nowhere/at/all"])
def test_a_service_without_a_manager_goes_on(address):
    systemd = Systemd({} if address is None else {"NOTIFY_SOCKET": address})
    systemd.ready()
    systemd.status("alone")


def test_a_manager_that_does_not_read_stops_nothing(manager):
    systemd = Systemd({"NOTIFY_SOCKET": manager.address, "WATCHDOG_USEC": "1"})
    for _ in range(2000):
        systemd.works()


def test_processes_that_are_started_later_do_not_know_of_it():
    environment = {**dict.fromkeys(VARIABLES, "1"), "PATH": "/bin"}
    forget(environment)
    assert environment == {"PATH": "/bin"}


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")
@pytest.mark.parametrize("mistake", ["", "WatchDogSecs=60"])
def test_the_unit_is_one_that_systemd_understands(tmp_path, mistake):
    text = UNIT.read_text(encoding="utf-8")
    assert f"ExecStart={PROGRAM} " in text
    copy = tmp_path / UNIT.name
    copy.write_text(
        text.replace(PROGRAM, sys.executable).replace("Type=notify", f"Type=notify\n{mistake}")
    )
    done = subprocess.run(
        ["systemd-analyze", "verify", str(copy)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    said = [line for line in done.stderr.splitlines() if UNIT.name in line]
    assert bool(said) == bool(mistake), done.stderr


def test_the_unit_uses_the_watchdog_and_always_restarts():
    lines = UNIT.read_text(encoding="utf-8").splitlines()
    wanted = {"Type=notify", "WatchdogSec=60", "Restart=always", "KillMode=mixed"}
    assert wanted <= set(lines)
