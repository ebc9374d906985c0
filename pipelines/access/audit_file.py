"""`AuditFiles`: lines that are only ever appended to, each with the digest of the one before.

A line is durable when `append` returns. When a file is full the next one begins, and the oldest
goes. Whoever alters or removes a line breaks the chain at the next one, which `broken` finds; the
end can be cut off unseen, but for whoever has noted the digest of the newest line elsewhere.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

FILE_BYTES: Final = 1_000_000
FILES: Final = 20
"""Some hundred thousand entries."""
TAIL_BYTES: Final = 64 * 1024
"""A line is shorter."""
PREVIOUS: Final = "previous"
"""Under this name a line has the SHA-256 of the line before, hexadecimal."""


class LinePlace(NamedTuple):
    """Where a line stands: number of the file, number of the line in it."""

    file: int
    line: int


class AuditFiles:
    """The files `NAME-000001.jsonl` and on in a folder. Writers exclude each other by a lock."""

    def __init__(self, folder: Path, name: str, file_bytes: int = FILE_BYTES) -> None:
        self._folder = folder
        self._name = name
        self._file_bytes = file_bytes

    def append(self, entry: dict[str, Any]) -> str:
        """Adds a line durably; gives its digest.

        Raises:
            OSError: It cannot be written.
        """
        files = self._files()
        path = files[-1] if files else self._path(1)
        tail = _tail(path) if files else b""
        chained = entry | {PREVIOUS: _chained("", tail.splitlines())}
        text = json.dumps(chained, ensure_ascii=False).encode()
        # The line before was torn by a power loss or a full disk where it does not end.
        line = text + b"\n" if not tail or tail.endswith(b"\n") else b"\n" + text + b"\n"
        if files and path.stat().st_size + len(line) > self._file_bytes:
            line = text + b"\n"
            path = self._path(_number(path) + 1)
            for old in files[: max(0, len(files) + 1 - FILES)]:
                old.unlink()
        self._write(path, line)
        return _digest(text)

    def backwards(self, before: LinePlace | None = None) -> Iterator[tuple[LinePlace, bytes]]:
        """Lines, the newest first; with `before` those that stand before a place.

        Raises:
            OSError: They cannot be read.
        """
        for path in reversed(self._files()):
            number = _number(path)
            if before is not None and number > before.file:
                continue
            lines = path.read_bytes().splitlines()
            last = before.line if before is not None and number == before.file else len(lines)
            for index in reversed(range(min(last, len(lines)))):
                yield LinePlace(number, index), lines[index]

    def broken(self) -> LinePlace | None:
        """The first line before which something was altered or removed; None where all is whole.

        Lines of programs that chained nothing come first and prove nothing.

        Raises:
            OSError: They cannot be read.
        """
        expected, chained = None, False
        for path in self._files():
            for index, line in enumerate(path.read_bytes().splitlines()):
                said = _previous(line)
                chained = chained or bool(said)
                # A torn line says nothing; the one behind it stands for both.
                if chained and said is not None and expected not in (None, said):
                    return LinePlace(_number(path), index)
                expected = _chained(expected or "", [line])
        return None

    def newest(self) -> str:
        """Digest of the newest line; empty where there is none.

        Raises:
            OSError: It cannot be read.
        """
        files = self._files()
        return _chained("", _tail(files[-1]).splitlines()) if files else ""

    def _write(self, path: Path, line: bytes) -> None:
        is_new = not path.exists()
        file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            if os.write(file, line) != len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            os.fsync(file)
        finally:
            os.close(file)
        if is_new:
            _sync(self._folder)

    def _files(self) -> list[Path]:
        """All files, the oldest first."""
        return sorted(self._folder.glob(f"{self._name}-*.jsonl"), key=_number)

    def _path(self, number: int) -> Path:
        return self._folder / f"{self._name}-{number:06d}.jsonl"


def _number(path: Path) -> int:
    digits = path.stem.rpartition("-")[2]
    return int(digits) if digits.isdecimal() else 0


def _tail(path: Path) -> bytes:
    with path.open("rb") as file:
        file.seek(max(0, file.seek(0, os.SEEK_END) - TAIL_BYTES))
        return file.read()


def _chained(digest: str, lines: Iterable[bytes]) -> str:
    """The digest that stands for some lines and all before them, of which `digest` is."""
    for line in lines:
        # A whole line has the digest of those before it, a torn one has not.
        whole = _previous(line) is not None
        digest = _digest(line if whole else digest.encode() + line)
    return digest


def _digest(line: bytes) -> str:
    return hashlib.sha256(line).hexdigest()


def _previous(line: bytes) -> str | None:
    """What a line says of the one before: nothing in a torn one, empty in an old or first one."""
    try:
        said = json.loads(line)
    except ValueError:
        return None
    return str(said.get(PREVIOUS, "")) if isinstance(said, dict) else None


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
