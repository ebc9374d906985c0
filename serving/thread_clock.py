"""Processor time of single threads of this process; Linux only."""

from __future__ import annotations

import time


def thread_cpu_s(tid: int) -> float | None:
    """Processor time of a thread of this process so far, seconds; None once it has ended.

    The clock's number is made from the kernel's id of the thread as Linux defines it
    (`CPUCLOCK_PERTHREAD | CPUCLOCK_SCHED`). A thread that has ended is an error here, while
    `pthread_getcpuclockid` reads freed memory then.
    """
    try:
        return time.clock_gettime((~tid << 3) | 6)
    except OSError:
        return None
