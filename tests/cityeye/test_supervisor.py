"""The main process over a city process that dies, hangs and freezes; no Ray, real processes."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from tests.camera_adapters.clips import TinyClip
from tests.cityeye.test_processes import lives
from tests.cityeye.test_systemd import Manager

pytestmark = [pytest.mark.integration, pytest.mark.slow]

ROOT = Path(__file__).parents[2]
WAIT_S = 60.0
GONE_S = 10.0


class Program:
    """`cityeye run` with a stub for the city process."""

    def __init__(self, folder: Path, clip: Path) -> None:
        self.folder = folder
        self.state = folder / "state"
        self.state.mkdir()
        camera = {"id": "gate", "source": str(clip), "tasks": {"crowding": {"model": "crowding"}}}
        nobody = [{"url": "http://127.0.0.1:9/"}]
        document = {"cameras": [camera], "state": "state", "sinks": nobody}
        (folder / "city.yaml").write_text(yaml.safe_dump(document))
        self.output = folder / "output.txt"
        self.process: subprocess.Popen[bytes] | None = None
        self.manager = Manager(str(folder / "notify"))
        self.manager.socket.settimeout(WAIT_S)

    def start(self, mode: str, *options: str) -> None:
        (self.state / "mode.txt").write_text(mode)
        # `nohup make test` would have it ignore a signal that it is to obey.
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
        with self.output.open("w") as stream:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tests.cityeye.stub_main", "run", "city.yaml", *options],
                cwd=self.folder,
                env={**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "200", **self.systemd},
                stdout=stream,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def systemd(self) -> dict[str, str]:
        return {"NOTIFY_SOCKET": self.manager.address, "WATCHDOG_USEC": "1000000"}

    def wait_watched(self) -> tuple[int, int]:
        """Waits until the main process says that cameras are watched; see `city`."""
        heard = [self.manager.received()]
        while heard[-1] != "READY=1":
            heard.append(self.manager.received())
        assert "STATUS=1 of 1 cameras online" in heard
        return self.city()

    def heard(self) -> list[str]:
        """What systemd has heard and nobody has read yet."""
        found = []
        self.manager.socket.settimeout(0.0)
        with contextlib.suppress(BlockingIOError):
            while True:
                found.append(self.manager.received())
        self.manager.socket.settimeout(WAIT_S)
        return found

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    def city(self, before: tuple[int, int] | None = None) -> tuple[int, int]:
        """Ids of the city process and of the one below it, once they are others than `before`."""
        file = self.state / "city.pid"

        def found() -> list[int]:
            return [int(one) for one in file.read_text().split()] if file.exists() else []

        self.wait_until(lambda: len(found()) == 2 and tuple(found()) != before)
        city, below = found()
        return city, below

    def said(self, words: str) -> bool:
        return words in self.output.read_text()

    def wait_for(self, words: str) -> None:
        self.wait_until(lambda: self.said(words))

    def wait_until(self, holds: Callable[[], bool]) -> None:
        deadline = time.monotonic() + WAIT_S
        while not holds():
            assert time.monotonic() < deadline, self.output.read_text()
            assert self.process is None or self.process.poll() is None, self.output.read_text()
            time.sleep(0.05)

    def status(self) -> int:
        assert self.process is not None
        return self.process.wait(WAIT_S)

    def starts(self) -> list[str]:
        return (self.state / "starts.txt").read_text().splitlines()


@pytest.fixture
def program(tmp_path: Path, tiny_clip: TinyClip) -> Iterator[Program]:
    program = Program(tmp_path, tiny_clip.path)
    yield program
    program.manager.socket.close()
    if program.process is not None:
        program.process.kill()
        program.process.wait()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_stops_the_city_gently_and_leaves_nothing(program: Program, number: int) -> None:
    program.start("good")
    city, below = program.wait_watched()
    os.kill(program.pid, number)
    assert program.status() == 0, program.output.read_text()
    assert (program.state / "stopped.txt").read_text() == "gently"
    assert not lives(city)
    assert not lives(below)


def test_a_city_process_that_is_killed_comes_back_without_what_was_below_it(
    program: Program,
) -> None:
    program.start("good", "--duration", "600")
    first = program.wait_watched()
    os.kill(first[0], signal.SIGKILL)
    program.city(before=first)
    program.wait_for("the city is back after")
    assert program.said("nobody watches: the city process died: it was ended by SIGKILL")
    assert not lives(first[1])
    assert program.starts()[0] == "None 0"
    until_s, incidents = program.starts()[1].split()
    assert float(until_s) < time.monotonic() + 600, "the time goes on, not anew"
    assert incidents == "2", "and so does the count of incidents"
    assert lives(program.pid)


@pytest.mark.parametrize(
    ("mode", "stop", "why"),
    [
        ("good", signal.SIGSTOP, "was stopped for too long; it is ended"),
        ("hangs", signal.SIGCONT, "the city process hangs while watching"),
    ],
)
def test_a_city_process_that_does_nothing_is_replaced(
    program: Program, mode: str, stop: int, why: str
) -> None:
    program.start(mode)
    first = program.wait_watched()
    (program.state / "mode.txt").write_text("good")
    os.kill(first[0], stop)
    program.city(before=first)
    program.wait_for("the city is back after")
    assert program.said(why)
    assert not lives(first[0])


def test_a_city_that_ends_again_and_again_ends_the_program_with_a_sentence(
    program: Program,
) -> None:
    program.start("dies")
    assert program.status() == 1
    assert program.said("cityeye: the city ended 3 times within 30 minutes, the last time because")
    assert program.said("it ended with status 3")
    assert len(program.starts()) == 3


def test_a_city_that_cannot_start_is_not_tried_again(program: Program) -> None:
    program.start("fails")
    assert program.status() == 1
    assert program.said("cityeye: model crowding 1 cannot be served: it is a test")
    assert len(program.starts()) == 1


def test_a_configuration_with_a_mistake_ends_at_once_and_leaves_nothing(program: Program) -> None:
    (program.folder / "city.yaml").write_text("cameras: 7\n")
    program.start("good")
    assert program.status() == 1
    assert program.said("cameras")
    assert not (program.state / "starts.txt").exists()


def test_a_main_process_that_is_killed_takes_the_city_along(program: Program) -> None:
    program.start("good")
    city, below = program.city()
    try:
        os.kill(program.pid, signal.SIGKILL)
        program.status()
        deadline = time.monotonic() + GONE_S
        while lives(city):
            assert time.monotonic() < deadline
            time.sleep(0.05)
    finally:
        os.kill(below, signal.SIGKILL)


def test_the_main_process_tells_systemd_and_never_loads_ray(program: Program) -> None:
    program.start("good")
    program.wait_watched()
    heard: list[str] = []
    while heard.count("WATCHDOG=1") < 2:
        heard.append(program.manager.received())
    assert "_raylet" not in Path(f"/proc/{program.pid}/maps").read_text()
    # A main process that is frozen gives no sign, so that systemd replaces it.
    os.kill(program.pid, signal.SIGSTOP)
    program.wait_until(lambda: not program.heard())
    time.sleep(1.5)
    assert program.heard() == []
    os.kill(program.pid, signal.SIGCONT)
    os.kill(program.pid, signal.SIGTERM)
    assert program.status() == 0
    assert "STOPPING=1" in program.heard()
