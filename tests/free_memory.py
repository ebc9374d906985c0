"""Memory that this process has freed and still holds, for tests of giving it back."""

from __future__ import annotations

import threading
from pathlib import Path

from serving.memory import own_memory_bytes

BLOCK = 64 * 1024
HEAP = 64 * 2**20
KEPT = 16
"""One block of so many is kept, so that none of the freed ones lies at the end of a heap."""


def free_within(megabytes: int) -> list[bytes]:
    """Allocates so much in another thread and frees most of it; the caller keeps what is left."""
    left: list[bytes] = []

    def work() -> None:
        blocks = [b"x" * BLOCK for _ in range(megabytes * 2**20 // BLOCK)]
        left.extend(blocks[::KEPT])

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    return left


def heaps_of(pid: int) -> int:
    """How many heaps a process of 64 bits has, the one of its main thread included.

    Each other begins at a multiple of 64 MiB, and has so many addresses for itself (glibc,
    `HEAP_MAX_SIZE` in `malloc/arena.c`).
    """
    heaps, begin, end = 1, -1, -1
    for line in Path(f"/proc/{pid}/maps").read_text(encoding="utf-8").splitlines():
        addresses, rights, _, _, inode = line.split()[:5]
        first, last = (int(one, 16) for one in addresses.split("-"))
        if inode != "0":
            continue
        if rights == "rw-p" and first % HEAP == 0:
            begin, end = first, last
        elif rights == "---p" and first == end and last == begin + HEAP:
            heaps += 1
    return heaps


def held_megabytes() -> float:
    """What this process holds for itself."""
    return own_memory_bytes() / 2**20
