"""Power losses, made from the system calls of a process: what a disk may hold after each of them.

A file's data is certain once it was synced; of what was written since, any part may be there, in
pieces of a sector and in any order. A folder's entries are certain once the folder was synced; of
the changes since, the first few are there, as file systems with a journal keep their order.
"""

from __future__ import annotations

import itertools
import random
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[3]
CALLS = (
    "openat,close,write,pwrite64,fsync,fdatasync,ftruncate,rename,renameat,renameat2,"
    "unlink,unlinkat,mkdir,mkdirat"
)
LINE = re.compile(r"(?:\d+ +)?(?P<name>\w+)\((?P<arguments>.*)\) += (?P<result>-?\d+)")
STRING = re.compile(r'"((?:\\x[0-9a-f]{2})*)"')
SECTOR = 512


@dataclass(frozen=True, slots=True)
class Call:
    """A system call that succeeded. `strings` are its paths or its data, `numbers` the rest."""

    name: str
    strings: tuple[bytes, ...]
    numbers: tuple[int, ...]
    text: str
    result: int


def record(module: str, folder: Path, *arguments: str) -> list[Call]:
    """Runs a module with a folder, and gives what it asked of the system."""
    trace = folder.parent / f"{folder.name}.trace"
    options = ["-f", "-xx", "-s", "100000000", "-e", f"trace={CALLS}", "-o", str(trace)]
    subprocess.run(
        ["strace", *options, sys.executable, "-m", module, str(folder), *arguments],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        check=True,
        timeout=300,
    )
    with trace.open(encoding="ascii", errors="replace") as lines:
        return list(_calls(lines))


def _calls(lines: Iterator[str]) -> Iterator[Call]:
    for line in lines:
        match = LINE.match(line)
        if match is None or int(match["result"]) < 0:
            continue
        arguments = match["arguments"]
        strings = tuple(bytes.fromhex(one.replace("\\x", "")) for one in STRING.findall(arguments))
        rest = STRING.sub("", arguments)
        numbers = tuple(int(one) for one in re.findall(r"(?<![\w.])-?\d+(?![\w.])", rest))
        yield Call(match["name"], strings, numbers, rest, int(match["result"]))


@dataclass(slots=True)
class _File:
    """What is certain, and what was written since: offset and data, or a length to cut off at."""

    certain: bytearray = field(default_factory=bytearray)
    since: list[tuple[int, bytes] | int] = field(default_factory=list)
    folder: bytes | None = None
    """Its path, if it is a folder."""


@dataclass(slots=True)
class Disk:
    """The files below a folder, as a process has left them up to some call."""

    root: bytes
    now: dict[bytes, _File] = field(default_factory=dict)
    certain: dict[bytes, _File] = field(default_factory=dict)
    since: dict[bytes, list[tuple[bytes, _File | None]]] = field(default_factory=dict)
    open: dict[int, tuple[_File, int]] = field(default_factory=dict)
    said: list[list[str]] = field(default_factory=list)

    def apply(self, call: Call) -> None:
        """Takes one more call into account."""
        handler = getattr(self, f"_{call.name}", None)
        if handler is not None:
            handler(call)

    def _openat(self, call: Call) -> None:
        path = call.strings[0]
        self.open.pop(call.result, None)
        if not path.startswith(self.root):
            return
        if "O_DIRECTORY" in call.text:
            self.open[call.result] = _File(folder=path.rstrip(b"/")), 0
            return
        file = self.now.get(path)
        if file is None:
            if "O_CREAT" not in call.text:
                # A folder, as SQLite opens one to sync it.
                self.open[call.result] = _File(folder=path.rstrip(b"/")), 0
                return
            file = self.now[path] = _File()
            self._changed(path, file)
        if "O_TRUNC" in call.text:
            file.since.append(0)
        self.open[call.result] = file, 0

    def _close(self, call: Call) -> None:
        self.open.pop(call.numbers[0], None)

    def _write(self, call: Call) -> None:
        descriptor, data = call.numbers[0], call.strings[0][: call.result]
        if descriptor == 1:
            self.said += [line.split() for line in data.decode().splitlines()]
        elif descriptor in self.open:
            file, at = self.open[descriptor]
            file.since.append((at, data))
            self.open[descriptor] = file, at + len(data)

    def _pwrite64(self, call: Call) -> None:
        if call.numbers[0] in self.open:
            self.open[call.numbers[0]][0].since.append((call.numbers[-1], call.strings[0]))

    def _ftruncate(self, call: Call) -> None:
        if call.numbers[0] in self.open:
            self.open[call.numbers[0]][0].since.append(call.numbers[1])

    def _fsync(self, call: Call) -> None:
        if call.numbers[0] not in self.open:
            return
        file, _ = self.open[call.numbers[0]]
        if file.folder is None:
            file.certain = _written(file.certain, file.since)
            file.since = []
            return
        for path, entry in self.since.pop(file.folder, []):
            _enter(self.certain, path, entry)

    _fdatasync = _fsync

    def _rename(self, call: Call) -> None:
        source, target = call.strings
        if source in self.now:
            file = self.now[target] = self.now.pop(source)
            # One step: both names are never there, nor neither.
            self._changed(target, file, gone=source)

    _renameat = _renameat2 = _rename

    def _unlink(self, call: Call) -> None:
        if call.strings[0] in self.now:
            del self.now[call.strings[0]]
            self._changed(call.strings[0], None)

    _unlinkat = _unlink

    def _changed(self, path: bytes, file: _File | None, gone: bytes = b"") -> None:
        folder = path.rpartition(b"/")[0]
        self.since.setdefault(folder, []).append((path + b"\0" + gone if gone else path, file))

    def after_power_loss(self, chance: random.Random) -> dict[str, bytes]:
        """Files and contents that a machine may find when it comes up again."""
        entries = dict(self.certain)
        for changes in self.since.values():
            for path, file in changes[: chance.randint(0, len(changes))]:
                _enter(entries, path, file)
        return {
            path.decode(): bytes(_written(file.certain, _survivors(file.since, chance)))
            for path, file in entries.items()
        }


def _enter(entries: dict[bytes, _File], path: bytes, file: _File | None) -> None:
    path, _, gone = path.partition(b"\0")
    entries.pop(gone, None)
    if file is None:
        entries.pop(path, None)
    else:
        entries[path] = file


def _written(content: bytearray, changes: list[tuple[int, bytes] | int]) -> bytearray:
    content = bytearray(content)
    for change in changes:
        if isinstance(change, int):
            del content[change:]
            content.extend(bytes(change - len(content)))
        else:
            at, data = change
            content.extend(bytes(max(0, at - len(content))))
            content[at : at + len(data)] = data
    return content


def _survivors(
    changes: list[tuple[int, bytes] | int], chance: random.Random
) -> list[tuple[int, bytes] | int]:
    """Some of what was never synced: nothing, everything, or sectors of it."""
    share = chance.choice((0.0, 0.5, 0.9, 1.0))
    kept: list[tuple[int, bytes] | int] = []
    for change in changes:
        if isinstance(change, int):
            kept += [change] if chance.random() < share else []
            continue
        at, data = change
        for start in itertools.chain(range(0, len(data), SECTOR)):
            if chance.random() < share:
                kept.append((at + start, data[start : start + SECTOR]))
    return kept
