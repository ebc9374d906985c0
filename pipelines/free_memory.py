"""Memory of a server process: few heaps, free pages given back, and little to search for garbage.

The C library gives threads heaps of their own, up to eight for each core. What is freed in one of
them serves no other, and stays with the process unless whole pages of it are free and somebody
asks for them. So a process whose threads answer requests would hold more after each hour, although
nothing that lives in it grows. Where the C library is not glibc, there is nothing to be done.
"""

from __future__ import annotations

import ctypes
import gc
import time
from collections.abc import Callable, Mapping, MutableMapping
from typing import Final

M_ARENA_MAX: Final = -8
"""See mallopt(3)."""

HEAPS: Final = 2
HEAP_VARIABLES: Final[Mapping[str, str]] = {
    "MALLOC_ARENA_MAX": str(HEAPS),
    # Up to so many bytes, a thread keeps what it frees for itself (default: 1032). A pickled answer
    # is made in a buffer that is cut to its length at the end. While a thread keeps what was cut
    # off, the next buffer does not fit in its place, and with dozens of threads that goes on long.
    "GLIBC_TUNABLES": "glibc.malloc.tcache_max=256",
}
"""For processes that begin with them, before any of their threads; see mallopt(3)."""

EVERY_S: Final = 60.0


def share_heaps(heaps: int = HEAPS) -> None:
    """Has the threads of this process share so many heaps; those that there are already stay.

    To be called before other threads have begun: glibc settles the number when a process has nine.
    A process of Ray has more before any code of ours runs; see `set_up_heaps`.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(M_ARENA_MAX, heaps)


def set_up_heaps(environment: MutableMapping[str, str]) -> None:
    """Has this process, and all that get `environment` from it, waste little memory.

    To be called first of all, as `share_heaps`; variables that are there already stay.
    """
    share_heaps()
    environment.update(with_heap_settings(environment))


def with_heap_settings(environment: Mapping[str, str]) -> dict[str, str]:
    """An environment with `HEAP_VARIABLES`; those that it has already stay."""
    return {**HEAP_VARIABLES, **environment}


def keep_for_good() -> None:
    """Has the garbage collector leave alone all that is there now.

    To be called when a server has started: its modules and its application stay until it ends. To
    search through them takes a tenth of a second or more each time, during which nothing is served.
    """
    gc.collect()
    gc.freeze()


class FreeMemory:
    """What is free in this process; for one thread at a time."""

    def __init__(
        self, every_s: float = EVERY_S, clock_s: Callable[[], float] = time.monotonic
    ) -> None:
        """It is given back at most once in `every_s` seconds, the first time at once."""
        self._every_s = every_s
        self._clock_s = clock_s
        self._due_s = float("-inf")
        # See malloc_trim(3); calls by ctypes leave the GIL to others.
        self._trim = getattr(ctypes.CDLL(None), "malloc_trim", None)

    def give_back(self) -> bool:
        """Gives free pages back where that is due, which takes milliseconds; whether it did."""
        if self._trim is None or self._clock_s() < self._due_s:
            return False
        self._due_s = self._clock_s() + self._every_s
        self._trim(0)
        return True
