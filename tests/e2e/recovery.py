"""One fault in a running city: how long until it is well again, and what it said meanwhile.

`python -m tests.e2e.recovery FILE` prints the table of the rows that `test_recovery` has written.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import statistics
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import psutil

from benchmarks.chaos.processes import MAIN, PROCESSES
from tests.e2e.supervised import CAMERAS, SupervisedCity

FAULTS = {"kill -9": signal.SIGKILL, "SIGSTOP": signal.SIGSTOP}
LIMIT_S = 150.0
HOLD_S = 5.0
"""How long it must stay well: what a fault takes along may still be there for a moment."""

LEFT_AFTER_S = 10.0
WATCHDOG_S = 10.0
"""What the manager of these runs allows; the unit has a longer one."""
WATCHING = ("replica", "worker")
"""Without one of these nobody watches; a worker goes on for a while without all others."""


@dataclass
class Row:
    """One fault.

    Attributes:
        recovered_s: Until health was good, frames were inferred and the hub answered; None where
            that did not come, or the program ended.
        ended_s: Until the program ended with `status`; None where it did not.
        left: Processes that were there more than `LEFT_AFTER_S` after the program had ended.
        false_s: The longest time during which health or hub called all cameras online while a
            process without which nobody watches was gone or stopped, by surface.
        said: What terminal and health said, in the order of their changes.
    """

    process: str
    fault: str
    recovered_s: float | None = None
    ended_s: float | None = None
    status: int | None = None
    left: list[str] = field(default_factory=list)
    false_s: dict[str, float] = field(default_factory=dict)
    said: list[str] = field(default_factory=list)


class Observer:
    """Asks every surface, and adds what it says to a row."""

    def __init__(self, city: SupervisedCity, row: Row) -> None:
        self.city = city
        self.row = row
        self.started_s = time.monotonic()
        self._printed = len(city.text())
        self._health = ""
        self._ailment = ""
        self._false_since_s: dict[str, float] = {}

    @property
    def elapsed_s(self) -> float:
        return time.monotonic() - self.started_s

    def look(self, *, watched: bool) -> None:
        """`watched` is whether the processes are there that watch."""
        text = self.city.text()
        for line in text[self._printed :].splitlines():
            self._say("terminal", line.partition(" s  ")[2] or line)
        self._printed = len(text)
        health = self.city.health()
        problems = "; ".join(health["problems"]) if health else "does not answer"
        if problems != self._health:
            self._health = problems
            self._say("health", problems or "ok")
        claims = {
            "health": bool(health) and health["cameras_online"] == len(CAMERAS),
            "hub": list(self.city.hub_cameras().values()) == ["online"] * len(CAMERAS),
        }
        now_s = time.monotonic()
        for surface, claimed in claims.items():
            if watched or not claimed:
                self._false_since_s.pop(surface, None)
                continue
            since_s = self._false_since_s.setdefault(surface, now_s)
            longest = max(self.row.false_s.get(surface, 0.0), now_s - since_s)
            self.row.false_s[surface] = round(longest, 1)

    def note(self, ailment: str) -> None:
        """Adds what is not good, when that has changed; empty where nothing is."""
        if ailment != self._ailment:
            self._ailment = ailment
            self._say("check", ailment or "well")

    def _say(self, surface: str, text: str) -> None:
        if text:
            self.row.said.append(f"{self.elapsed_s:5.1f} s {surface}: {text}")


def suffer(city: SupervisedCity, process: str, fault: str, manager: socket.socket) -> Row:
    """Makes one process of a city that is well suffer a fault, and watches what comes of it."""
    row = Row(process, fault)
    started = city.below()
    victims = [psutil.Process(city.process.pid)] if process == MAIN else city.find(process)
    observer = Observer(city, row)
    for victim in victims[:1]:
        victim.send_signal(FAULTS[fault])
    if process == MAIN:
        _watch_main(city, row, observer, manager, started)
        return row
    gone = victims[0]
    well_s: float | None = None
    while observer.elapsed_s < LIMIT_S and city.process.poll() is None:
        observer.look(watched=_is_watched(city))
        ailment = "it is still there" if _exists(gone) else city.ailment()
        observer.note(ailment)
        if ailment:
            well_s = None
        elif well_s is None:
            well_s = observer.elapsed_s
        elif observer.elapsed_s - well_s > HOLD_S:
            row.recovered_s = round(well_s, 1)
            return row
        time.sleep(0.25)
    _note_end(city, row, observer, started)
    return row


def _watch_main(
    city: SupervisedCity,
    row: Row,
    observer: Observer,
    manager: socket.socket,
    started: Sequence[psutil.Process],
) -> None:
    """The service manager ends a main process that gives no sign; here it is this one."""
    heard_s = time.monotonic()
    while city.process.poll() is None and observer.elapsed_s < LIMIT_S:
        observer.look(watched=_is_watched(city))
        with contextlib.suppress(BlockingIOError):
            while b"WATCHDOG=1" in manager.recv(4096):
                heard_s = time.monotonic()
        if time.monotonic() - heard_s > WATCHDOG_S:
            city.process.kill()
        time.sleep(0.25)
    _note_end(city, row, observer, started)


def _note_end(
    city: SupervisedCity, row: Row, observer: Observer, started: Sequence[psutil.Process]
) -> None:
    row.status = city.process.poll()
    if row.status is None:
        return
    row.ended_s = round(observer.elapsed_s, 1)
    _, left = psutil.wait_procs(started, timeout=LEFT_AFTER_S)
    for process in left:
        with contextlib.suppress(psutil.Error):
            row.left.append(" ".join(process.cmdline())[:60])
            process.kill()


def _works(process: psutil.Process) -> bool:
    with contextlib.suppress(psutil.Error):
        return process.status() not in (psutil.STATUS_ZOMBIE, psutil.STATUS_STOPPED)
    return False


def _exists(process: psutil.Process) -> bool:
    with contextlib.suppress(psutil.Error):
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False


def _is_watched(city: SupervisedCity) -> bool:
    return all(any(_works(one) for one in city.find(name)) for name in WATCHING)


def append(file: Path, row: Row) -> None:
    """Keeps a row."""
    file.parent.mkdir(exist_ok=True)
    with file.open("a", encoding="utf-8") as stream:
        stream.write(json.dumps(asdict(row)) + "\n")


def table(rows: Iterable[Row]) -> str:
    """Median and worst of every process and fault, as Markdown."""
    lines = [
        "| process | fault | n | back, median s | worst s | ended s | left | false claim s |",
        "|---|---|---|---|---|---|---|---|",
    ]
    kept: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        kept.setdefault((row.process, row.fault), []).append(row)
    for process in (*PROCESSES, MAIN):
        for fault in FAULTS:
            own = kept.get((process, fault))
            if not own:
                continue
            back = [row.recovered_s for row in own if row.recovered_s is not None]
            ended = [row.ended_s for row in own if row.ended_s is not None]
            false_s = max((max(row.false_s.values(), default=0.0) for row in own), default=0.0)
            cells = (
                process,
                fault,
                str(len(own)),
                f"{statistics.median(back):.1f}" if back else "-",
                f"{max(back):.1f}" if back else "-",
                f"{max(ended):.1f}" if ended else "-",
                str(sum(len(row.left) for row in own)),
                f"{false_s:.1f}",
            )
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def read(file: Path) -> list[Row]:
    """All rows that were kept."""
    return [Row(**json.loads(line)) for line in file.read_text("utf-8").splitlines()]


def open_manager(address: str) -> socket.socket:
    """A socket that stands for the service manager."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(address)
    manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    manager.bind(address)
    manager.setblocking(False)
    return manager


if __name__ == "__main__":
    sys.stdout.write(table(read(Path(sys.argv[1]))) + "\n")
