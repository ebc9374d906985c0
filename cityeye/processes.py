"""How the processes below this one are bound to it, ended and reaped: Linux only, see prctl(2)."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import time
from typing import Final

from serving import PROCESS_GONE, RunningProcess, processes_below

PR_SET_PDEATHSIG: Final = 1
PR_SET_CHILD_SUBREAPER: Final = 36
STOPPED, ZOMBIE = "T", "Z"
FROZEN_AFTER_S: Final = 10.0
"""How long a process may be stopped; whoever stops one by hand for longer has it replaced."""

END_TIMEOUT_S: Final = 10.0
POLL_S: Final = 0.05


def end_with_parent() -> None:
    """Has the kernel kill this process when the thread that started it ends."""
    parent = os.getppid()
    _prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # It ended before the kernel knew.
        os.kill(os.getpid(), signal.SIGKILL)


def adopt_orphans() -> None:
    """Makes processes below this one its children when their own parents end."""
    _prctl(PR_SET_CHILD_SUBREAPER, 1)


def _prctl(option: int, value: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(option, value, 0, 0, 0):
        raise OSError(ctypes.get_errno(), f"prctl {option} failed")


def end_below(root: int, spare: frozenset[int]) -> list[RunningProcess]:
    """Kills all processes below `root` but those in `spare`, and sees them gone.

    Returns:
        Those that the kernel does not end in time.
    """
    deadline_s = time.monotonic() + END_TIMEOUT_S
    while True:
        left = [one for one in processes_below(root, spare=spare) if one.state != ZOMBIE]
        if not left or time.monotonic() > deadline_s:
            return left
        for process in left:
            with contextlib.suppress(*PROCESS_GONE):
                os.kill(process.pid, signal.SIGKILL)
        time.sleep(POLL_S)


def reap(processes: list[RunningProcess], owned: frozenset[int]) -> None:
    """Takes the status of adopted children that have ended, so that the kernel forgets them.

    `owned` are ids of children whose status somebody else waits for.
    """
    for process in processes:
        if process.state == ZOMBIE and process.parent == os.getpid() and process.pid not in owned:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(process.pid, os.WNOHANG)


class FrozenProcesses:
    """Finds processes that are stopped for longer than `FROZEN_AFTER_S`."""

    def __init__(self) -> None:
        self._since_s: dict[tuple[int, int], float] = {}

    def find(self, processes: list[RunningProcess], now_s: float) -> list[RunningProcess]:
        """Those that are frozen among `processes`, seen at `now_s`; to be called every few s."""
        stopped = [one for one in processes if one.state == STOPPED]
        since_s = {
            (one.pid, one.started): self._since_s.get((one.pid, one.started), now_s)
            for one in stopped
        }
        self._since_s = since_s
        return [one for one in stopped if now_s - since_s[one.pid, one.started] >= FROZEN_AFTER_S]


def how_it_ended(status: int) -> str:
    """An exit status as `subprocess` gives it, in words."""
    if status >= 0:
        return f"it ended with status {status}"
    with contextlib.suppress(ValueError):
        return f"it was ended by {signal.Signals(-status).name}"
    return f"it was ended by signal {-status}"
