"""`PageFile`: the pages of a SQLite file with its log laid over them, where they can be read."""

from __future__ import annotations

import contextlib
import os
import struct
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

from pipelines.delivery.salvage.page import (
    DEFAULT_PAGE_BYTES,
    HEADER_BYTES,
    Row,
    is_page_size,
    rows_of,
)
from pipelines.delivery.salvage.wal import Wal, read_wal


class PageFile:
    """Open files, to be used in a `with` block. What cannot be read counts as not there."""

    def __init__(self, path: Path) -> None:
        """Opens the file and `PATH-wal`; either may be missing, a folder or damaged."""
        wal_path = Path(f"{path}-wal")
        try:
            self._wal = read_wal(wal_path)
        except OSError:
            self._wal = Wal()
        self._file, self._log = _opened(path), _opened(wal_path)
        self._page_bytes = self._found_page_bytes()
        size = 0 if self._file is None else os.fstat(self._file).st_size
        self._count = max([-(-size // self._page_bytes), *self._wal.images])

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for descriptor in (self._file, self._log):
            if descriptor is not None:
                os.close(descriptor)

    def page(self, number: int) -> bytes:
        """The newest image of a page; nothing where there is none that can be read."""
        for offset in reversed(self._wal.images.get(number, [])):
            if image := self._read(self._log, offset):
                return image
        return self._read(self._file, (number - 1) * self._page_bytes) if number > 0 else b""

    def rows(self) -> Iterator[Row]:
        """All rows of all pages that can be read, in the order of the pages."""
        free = self._free()
        for number in range(1, self._count + 1):
            if number not in free:
                yield from rows_of(number, self.page(number), self.page)

    def _read(self, descriptor: int | None, offset: int) -> bytes:
        if descriptor is None:
            return b""
        try:
            data = os.pread(descriptor, self._page_bytes, offset)
        except OSError:
            return b""
        # Behind the end of a file that was cut off there is nothing; no cell leads there.
        return data.ljust(self._page_bytes, b"\0") if data else b""

    def _found_page_bytes(self) -> int:
        header = self._read_header()
        if len(header) == HEADER_BYTES and self._file is not None:
            (size,) = struct.unpack_from(">H", header, 16)
            (count,) = struct.unpack_from(">I", header, 28)
            size = 65536 if size == 1 else size
            if is_page_size(size) and os.fstat(self._file).st_size == size * count:
                return int(size)
        return DEFAULT_PAGE_BYTES

    def _read_header(self) -> bytes:
        with contextlib.suppress(OSError):
            return b"" if self._file is None else os.pread(self._file, HEADER_BYTES, 0)
        return b""

    def _free(self) -> frozenset[int]:
        """Pages that hold nothing any more; none where the list of them is not consistent."""
        header = self.page(1)[:HEADER_BYTES]
        if len(header) < HEADER_BYTES:
            return frozenset()
        trunk, expected = struct.unpack_from(">2I", header, 32)
        found: list[int] = []
        while trunk and len(found) < expected:
            page = self.page(trunk)
            if len(page) < self._page_bytes:
                return frozenset()
            following, leaves = struct.unpack_from(">2I", page)
            if leaves > self._page_bytes // 4 - 2:
                return frozenset()
            found += [trunk, *struct.unpack_from(f">{leaves}I", page, 8)]
            trunk = following
        return frozenset(found) if len(set(found)) == len(found) == expected else frozenset()


def _opened(path: Path) -> int | None:
    try:
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC) if path.is_file() else None
    except OSError:
        return None
