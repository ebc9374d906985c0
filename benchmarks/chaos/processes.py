"""The processes of a running `cityeye run`, found by their command lines from outside."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from benchmarks.processes import command_of
from serving import PROC, PROCESS_GONE, RunningProcess, processes_below

MAIN: Final = "main"
WORKER: Final = "worker"

PROCESSES: Final[Mapping[str, str]] = {
    "director": "ray::Director",
    "raylet": "raylet/raylet",
    "GCS": "gcs_server",
    "proxy": "ray::ProxyActor",
    "controller": "ray::ServeController",
    "control API": "ray::ServeReplica:control-api",
    "replica": "ray::ServeReplica:detector-",
    WORKER: "CameraWorker",
    "hub": "multiprocessing.spawn",
    "city process": "cityeye.city_process",
}
"""Words in the command lines of what runs below the main process; a worker has its name before them
while it starts."""

NOT_RUNNING: Final = frozenset("TtZX")
"""Letters of `/proc/PID/stat` for a process that is stopped or has ended."""

_ESTABLISHED: Final = "01"


@dataclass(frozen=True, slots=True)
class CityProcess:
    """A process that was found. It is signalled only while it is still the same one."""

    pid: int
    started: int

    @classmethod
    def of(cls, process: RunningProcess) -> CityProcess:
        """That of an entry of `/proc`."""
        return cls(process.pid, process.started)

    @property
    def state(self) -> str:
        """Its letter in `/proc/PID/stat`; X where it is gone."""
        with contextlib.suppress(*PROCESS_GONE, ValueError):
            process = RunningProcess.read(self.pid)
            if process.started == self.started:
                return process.state
        return "X"

    def send(self, number: signal.Signals) -> None:
        """Sends a signal, if it is still there."""
        if self.state not in {"X", "Z"}:
            with contextlib.suppress(*PROCESS_GONE):
                os.kill(self.pid, number)


def found(root: int, name: str) -> list[CityProcess]:
    """The processes of a kind below `root`, or `root` itself for the main process."""
    if name == MAIN:
        with contextlib.suppress(*PROCESS_GONE):
            return [CityProcess.of(RunningProcess.read(root))]
        return []
    words = PROCESSES[name]
    return [CityProcess.of(one) for one in processes_below(root) if words in _command(one.pid)]


def below(root: int) -> list[CityProcess]:
    """All processes below `root`."""
    return [CityProcess.of(one) for one in processes_below(root)]


def _command(pid: int) -> str:
    with contextlib.suppress(*PROCESS_GONE):
        return command_of(pid)
    return ""


@dataclass(frozen=True, slots=True)
class CameraSocket:
    """A connection to a camera, seen at its reader's end.

    Attributes:
        port: Of the camera's server.
        inode: Names the socket.
        unread_bytes: What the kernel holds for the reader.
    """

    port: int
    inode: str
    unread_bytes: int


def camera_sockets(ports: frozenset[int]) -> Iterator[CameraSocket]:
    """The connections of this machine to servers on `ports`, from /proc/net/tcp."""
    for line in (PROC / "net" / "tcp").read_text().splitlines()[1:]:
        fields = line.split()
        port = int(fields[2].rpartition(":")[2], 16)
        if port in ports and fields[3] == _ESTABLISHED:
            yield CameraSocket(port, fields[9], int(fields[4].partition(":")[2], 16))
