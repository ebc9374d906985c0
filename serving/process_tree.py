"""Processes and what is below them, from /proc; Linux only."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

PROC: Final = Path("/proc")
PROCESS_GONE: Final = (FileNotFoundError, ProcessLookupError, PermissionError)
"""What reading of a process raises that has ended, or belongs to somebody else."""

_TICKS_PER_S: Final = os.sysconf("SC_CLK_TCK")
_SOCKET: Final = "socket:["


@dataclass(frozen=True, slots=True)
class RunningProcess:
    """A process as `/proc/PID/stat` shows it; see proc_pid_stat(5).

    Attributes:
        parent: Id of its parent.
        name: Name of its program, shortened by the kernel.
        state: One letter: T for one that is stopped until it gets SIGCONT, Z for one that ended.
        started: When it started, clock ticks since boot; with the id this names it for good.
        cpu_s: Processor time since it started, user and system, seconds.
        threads: How many threads it has.
    """

    pid: int
    parent: int
    name: str
    state: str
    started: int
    cpu_s: float = 0.0
    threads: int = 1

    @classmethod
    def read(cls, pid: int) -> RunningProcess:
        """Reads it; raises one of `PROCESS_GONE` where it has ended."""
        text = (PROC / str(pid) / "stat").read_text(errors="replace")
        # The name may hold spaces and parentheses.
        before, _, after = text.rpartition(")")
        fields = after.split()
        return cls(
            pid=pid,
            parent=int(fields[1]),
            name=before.partition("(")[2],
            state=fields[0],
            started=int(fields[19]),
            cpu_s=(int(fields[11]) + int(fields[12])) / _TICKS_PER_S,
            threads=int(fields[17]),
        )


def all_processes() -> Iterator[RunningProcess]:
    """Every process of this machine that can be read."""
    for folder in PROC.iterdir():
        if folder.name.isdigit():
            with suppress(*PROCESS_GONE):
                yield RunningProcess.read(int(folder.name))


def processes_below(*roots: int, spare: frozenset[int] = frozenset()) -> list[RunningProcess]:
    """All processes below `roots`, parents first, without those in `spare` and all below them."""
    children: dict[int, list[RunningProcess]] = {}
    for process in all_processes():
        children.setdefault(process.parent, []).append(process)
    found: dict[int, RunningProcess] = {}
    waiting = list(roots)
    while waiting:
        own = children.get(waiting.pop(), ())
        new = [one for one in own if one.pid not in spare and one.pid not in found]
        found |= {one.pid: one for one in new}
        waiting += [one.pid for one in new]
    return list(found.values())


def socket_inodes(pid: int) -> frozenset[str]:
    """The sockets that a process has open, by inode; none where it has ended."""
    found = set()
    with suppress(*PROCESS_GONE):
        for file in (PROC / str(pid) / "fd").iterdir():
            with suppress(*PROCESS_GONE):
                target = os.readlink(file)
                if target.startswith(_SOCKET):
                    found.add(target[len(_SOCKET) : -1])
    return frozenset(found)
