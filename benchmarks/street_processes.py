"""Processor time and memory of a program with all its processes, from /proc.

A program is started with a mark in its environment, which its processes inherit whoever their
parent is in the end. One that gives itself a title overwrites its environment, so that what is
below a marked process belongs to the program as well.
"""

from __future__ import annotations

import os
import secrets
import signal
import socket
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from serving import PROC, PROCESS_GONE, RunningProcess, all_processes, processes_below

_MARK: Final = "CITYEYE_BENCH_RUN"


@dataclass(frozen=True, slots=True)
class Consumption:
    """What some processes use at one moment.

    Attributes:
        cpu_s: Processor time by process id, user and system, since each was started.
        pss_mb: Memory of all of them, shared pages divided among those that share them.
        threads: Their threads.
        files: Their open file descriptors.
    """

    cpu_s: Mapping[int, float]
    pss_mb: float
    threads: int
    files: int

    def cpu_since(self, before: Consumption) -> float:
        """Processor time since an earlier moment; of what ended meanwhile, nothing."""
        return sum(spent - before.cpu_s.get(pid, 0.0) for pid, spent in self.cpu_s.items())


@dataclass(frozen=True, slots=True)
class MarkedProgram:
    """A program whose processes can be found; `prefix` goes before its command line."""

    mark: str = field(default_factory=lambda: secrets.token_hex(8))

    @property
    def prefix(self) -> Sequence[str]:
        """Starts a command with the mark; the process stays the same."""
        return "env", f"{_MARK}={self.mark}"

    def processes(self) -> list[int]:
        """Ids of all its processes."""
        wanted = f"{_MARK}={self.mark}".encode()
        ours: set[int] = set()
        for process in all_processes():
            with suppress(*PROCESS_GONE):
                environment = (PROC / str(process.pid) / "environ").read_bytes()
                if wanted in environment.split(b"\0"):
                    ours.add(process.pid)
        return sorted(ours | {process.pid for process in processes_below(*ours)})

    def kill(self) -> None:
        """Ends what is left of it."""
        for pid in self.processes():
            with suppress(*PROCESS_GONE):
                os.kill(pid, signal.SIGKILL)

    def consumption(self, *, memory: bool = True) -> Consumption:
        """What it uses now; see `consumption_of`."""
        return consumption_of(self.processes(), memory=memory)


def consumption_of(pids: Iterable[int], *, memory: bool = True) -> Consumption:
    """What processes use now; those that have ended are left out.

    Memory takes the kernel some milliseconds per process; without, it is given as 0.
    """
    cpu_s: dict[int, float] = {}
    pss_kb = threads = files = 0
    for pid in pids:
        folder = PROC / str(pid)
        with suppress(*PROCESS_GONE):
            process = RunningProcess.read(pid)
            cpu_s[pid] = process.cpu_s
            threads += process.threads
            files += len(os.listdir(folder / "fd"))
            pss_kb += _pss_kb(folder) if memory else 0
    return Consumption(cpu_s, pss_kb / 1024, threads, files)


def free_port() -> int:
    """A port of this machine that nobody has."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        port: int = held.getsockname()[1]
        return port


def _pss_kb(folder: Path) -> int:
    for line in (folder / "smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1])
    return 0
