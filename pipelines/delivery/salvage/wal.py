"""The write-ahead log of a SQLite file: the good images of each page, and whether it is whole.

SQLite reads a log up to the first frame with a wrong checksum and says nothing: what was committed
after it is gone. A frame's checksum continues the one stored in the frame before, so each frame is
checked by itself here. Format: https://sqlite.org/fileformat2.html#the_write_ahead_log.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import numpy as np

from pipelines.delivery.salvage.page import DEFAULT_PAGE_BYTES, is_page_size

MAGIC = 0x377F0682
"""Of a log whose checksums are over little-endian words; one more for big-endian ones."""
HEADER_BYTES = 32
FRAME_HEADER_BYTES = 24
IN_FLIGHT = 1
"""Transactions whose end may be on disk although their middle is not, after a power loss."""


@dataclass(frozen=True, slots=True)
class Wal:
    """What a log holds.

    Attributes:
        images: Offset of each good image of a page, by its number, newest last.
        fault: What is wrong with the log, empty where nothing is.
    """

    images: dict[int, list[int]] = field(default_factory=dict)
    fault: str = ""


@dataclass(frozen=True, slots=True)
class _Frame:
    page: int
    offset: int
    good: bool
    commits: bool


def read_wal(path: Path) -> Wal:
    """Reads a log; one that is not there, or has no frame, holds nothing.

    Raises:
        OSError: It is there and cannot be read.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return Wal()
    if len(data) < HEADER_BYTES + FRAME_HEADER_BYTES:
        return Wal()
    magic, _, page_bytes, _, *salts, first, second = struct.unpack(">8I", data[:HEADER_BYTES])
    order = ">" if magic == MAGIC + 1 else "<"
    seed = _checksum(data[:24], (0, 0), order)
    whole = magic in (MAGIC, MAGIC + 1) and seed == (first, second) and is_page_size(page_bytes)
    if not whole:
        page_bytes = DEFAULT_PAGE_BYTES
        salts = list(struct.unpack(">2I", data[HEADER_BYTES + 8 : HEADER_BYTES + 16]))
    wal = _collect(list(_frames(data, page_bytes, tuple(salts), seed, order)))
    return wal if whole else Wal(wal.images, "the header of its log is damaged")


def _frames(
    data: bytes, page_bytes: int, salts: tuple[int, ...], seed: tuple[int, int], order: str
) -> Iterator[_Frame]:
    step = FRAME_HEADER_BYTES + page_bytes
    for start in range(HEADER_BYTES, len(data) - step + 1, step):
        body = start + FRAME_HEADER_BYTES
        page, size, salt1, salt2, first, second = struct.unpack(">6I", data[start:body])
        ours = (salt1, salt2) == salts
        summed = data[start : start + 8] + data[body : body + page_bytes]
        good = ours and page > 0 and _checksum(summed, seed, order) == (first, second)
        yield _Frame(page, body, good, commits=ours and size > 0)
        seed = (first, second)


def _collect(frames: list[_Frame]) -> Wal:
    last = max((at for at, one in enumerate(frames) if one.commits), default=-1)
    images: dict[int, list[int]] = {}
    for one in frames[: last + 1]:
        if one.good:
            images.setdefault(one.page, []).append(one.offset)
    bad = next((at for at, one in enumerate(frames[: last + 1]) if not one.good), last + 1)
    behind = sum(one.commits for one in frames[bad : last + 1])
    return Wal(images, "frames of its log are damaged" if behind > IN_FLIGHT else "")


def _checksum(data: bytes, seed: tuple[int, int], order: str) -> tuple[int, int]:
    """The log's checksum: z[n] = z[n-1] + z[n-2] + x[n], modulo 2^32, of which the last two count.

    Such a sum is one of Fibonacci numbers, which takes two scalar products instead of a loop.
    """
    words = np.frombuffer(data, dtype=f"{order}u4").astype(np.uint32)
    count = len(words)
    weights = _fibonacci(count + 2)
    before, last = seed

    def value(n: int) -> int:
        own = int(np.dot(words[: n + 1], weights[n::-1]))
        return (own + last * int(weights[n + 1]) + before * int(weights[n])) & 0xFFFFFFFF

    return value(count - 2), value(count - 1)


@lru_cache(maxsize=4)
def _fibonacci(count: int) -> np.ndarray[tuple[int], np.dtype[np.uint32]]:
    """The first Fibonacci numbers, 1, 1, 2..., modulo 2^32."""
    numbers = [1, 1]
    while len(numbers) < count:
        numbers.append((numbers[-1] + numbers[-2]) & 0xFFFFFFFF)
    return np.array(numbers[:count], dtype=np.uint32)
