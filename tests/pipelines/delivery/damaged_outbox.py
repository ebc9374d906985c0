"""Outboxes to be damaged, and ways to damage them; nothing here uses the code that salvages.

`build` makes two folders: `closed`, whose outbox was closed, and `killed`, the same with the last
incidents in the log only, as a process leaves it that is killed. Their outboxes have every kind of
page, events in every state, keyframes in the spool and a dead letter.
"""

from __future__ import annotations

import random
import shutil
import sqlite3
import struct
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from pipelines.delivery.outbox import Outbox
from pipelines.delivery.sinks.sink import Delivery
from pipelines.incident import Subject
from tests.pipelines.delivery.outboxes import OPENED, Clock, Edge, life, offline
from tests.pipelines.delivery.outboxes import camera as spec

OUTBOX = "outbox.db"
PAGE = 4096
SINK = "hub"
CAMERAS = ("gate", "north", "south")
KINDS = {0x05: "table inner", 0x0D: "table leaf", 0x02: "index inner", 0x0A: "index leaf"}

Events = dict[str, bytes]
Damage = Callable[[Path], None]


def build(folder: Path) -> None:
    """Makes `closed` and `killed`."""
    live, clock = folder / "live", Clock()
    clock.now_s = OPENED.timestamp() + 0.5
    edge = Edge(live, Outbox(live / OUTBOX, utc_s=clock))
    edge.outbox.deliveries.register([SINK])
    for number in range(60):
        edge.publish(*_large(f"early-{number}", CAMERAS[number % 3]), value=None)
    deliver(edge, 40)
    # Pages that become free, and stay so.
    clock.now_s += 100.0
    edge.outbox.prune(10.0)
    delivery = edge.outbox.deliveries.next(SINK, "gate", 0.0)
    assert isinstance(delivery, Delivery)
    edge.outbox.deliveries.bury(SINK, [(delivery, "refused")])
    edge.publish(*life("with-image")[:2], value=90)
    edge.recorder.publish_state(offline("north"), spec("north"))
    edge.close()
    shutil.copytree(live, folder / "closed")
    edge = Edge(live, Outbox(live / OUTBOX, utc_s=clock))
    for number in range(12):
        edge.publish(*_large(f"late-{number}", CAMERAS[number % 3]), value=None)
    edge.publish(*life("with-another-image")[:1], value=30)
    # Without -shm, as no process has it in exclusive mode.
    shutil.copytree(live, folder / "killed")
    edge.close()


def _large(name: str, at: str) -> list:
    """An incident whose events fill a page, and at its end more than one."""
    steps = []
    for step in life(name, at, updates=1):
        subjects = step.incident.subjects * 24
        detail = {f"measured_{one}": one / 7 for one in range(120 * (step.phase.value == "ended"))}
        many = tuple(Subject(i, one.label, one.box, one.score) for i, one in enumerate(subjects))
        steps.append(replace(step, incident=replace(step.incident, subjects=many, detail=detail)))
    return steps


def deliver(edge: Edge, most: int) -> None:
    """Acknowledges so many events of each camera."""
    for camera in CAMERAS:
        for _ in range(most):
            delivery = edge.outbox.deliveries.next(SINK, camera, 0.0)
            if isinstance(delivery, Delivery):
                edge.outbox.deliveries.acknowledge(SINK, delivery)


def events_in(outbox: Path, tmp: Path) -> Events:
    """The events of an outbox by id, each asked for by itself, as far as SQLite can read them."""
    shutil.rmtree(tmp, ignore_errors=True)
    tmp.mkdir()
    for part in ("", "-wal"):
        if Path(f"{outbox}{part}").is_file():
            shutil.copy(f"{outbox}{part}", f"{tmp / OUTBOX}{part}")
    found: Events = {}
    if not (tmp / OUTBOX).exists():
        return found
    db = sqlite3.connect(tmp / OUTBOX)
    try:
        for seq in range(1, 400):
            try:
                rows = db.execute("SELECT id, body FROM event NOT INDEXED WHERE seq = ?", (seq,))
                found.update(rows.fetchall())
            except (sqlite3.Error, OverflowError):
                continue
    finally:
        db.close()
    return {name: bytes(body) for name, body in found.items() if isinstance(body, bytes)}


def pages_of(outbox: Path) -> dict[str, list[int]]:
    """Numbers of its pages by kind, counted from 1."""
    data = outbox.read_bytes()
    free = set(_free(data))
    kinds: dict[str, list[int]] = {}
    for number in range(2, len(data) // PAGE + 1):
        first = data[(number - 1) * PAGE]
        kind = "free" if number in free else KINDS.get(first, "overflow")
        kinds.setdefault(kind, []).append(number)
    return kinds


def _free(data: bytes) -> Iterator[int]:
    (trunk,) = struct.unpack_from(">I", data, 32)
    while trunk:
        yield trunk
        at = (trunk - 1) * PAGE
        trunk, leaves = struct.unpack_from(">2I", data, at)
        yield from struct.unpack_from(f">{leaves}I", data, at + 8)


def patch(offset: int, change: Callable[[bytes], bytes], size: int = 1, part: str = "") -> Damage:
    """Changes bytes at an offset of the file, from its end where that is negative."""

    def damage(folder: Path) -> None:
        path = folder / f"{OUTBOX}{part}"
        data = bytearray(path.read_bytes())
        at = offset if offset >= 0 else len(data) + offset
        data[at : at + size] = change(bytes(data[at : at + size]))
        path.write_bytes(bytes(data))

    return damage


def flip(offset: int, bit: int = 0, part: str = "") -> Damage:
    """Flips one bit."""
    return patch(offset, lambda old: bytes([old[0] ^ (1 << bit)]), part=part)


def on_page(kind: str, change: Callable[[Path, int], None]) -> Damage:
    """Damages a page of a kind, neither the first nor the last of them where there are more."""

    def damage(folder: Path) -> None:
        numbers = pages_of(folder / OUTBOX)[kind]
        change(folder, (numbers[len(numbers) // 2] - 1) * PAGE)

    return damage


def noise(size: int) -> bytes:
    """Bytes that mean nothing, the same each time."""
    return random.Random(3).randbytes(size)


PAGE_DAMAGE: dict[str, Callable[[Path, int], None]] = {
    "type": lambda folder, at: flip(at, 3)(folder),
    "cell count": lambda folder, at: flip(at + 4, 0)(folder),
    "cell pointer": lambda folder, at: flip(at + 9, 6)(folder),
    "content": lambda folder, at: flip(at + PAGE - 700, 7)(folder),
    "zeros": lambda folder, at: patch(at, lambda old: bytes(len(old)), PAGE)(folder),
    "noise": lambda folder, at: patch(at, lambda old: noise(len(old)), PAGE)(folder),
}


def truncate(size: Callable[[int], int], part: str = "") -> Damage:
    """Cuts the file off."""

    def damage(folder: Path) -> None:
        path = folder / f"{OUTBOX}{part}"
        path.write_bytes(path.read_bytes()[: size(path.stat().st_size)])

    return damage


def write(content: bytes, part: str = "") -> Damage:
    """Puts something else in the file's place."""

    def damage(folder: Path) -> None:
        (folder / f"{OUTBOX}{part}").write_bytes(content)

    return damage


def folder_in_place_of(part: str) -> Damage:
    """Puts a folder in the file's place."""

    def damage(folder: Path) -> None:
        path = folder / f"{OUTBOX}{part}"
        path.unlink(missing_ok=True)
        path.mkdir()
        (path / "something").write_bytes(b"kept")

    return damage


def remove(part: str) -> Damage:
    """Takes a file away."""
    return lambda folder: (folder / f"{OUTBOX}{part}").unlink()


def another_database(folder: Path) -> None:
    """Puts the database of some other program in the file's place."""
    path = folder / OUTBOX
    path.unlink()
    db = sqlite3.connect(path)
    db.executescript(
        "CREATE TABLE event (id INTEGER PRIMARY KEY, what TEXT);"
        " INSERT INTO event VALUES (1, 'concert'); PRAGMA user_version = 12;"
    )
    db.close()


FRAME = PAGE + 24
HEADER = {
    "magic": flip(3),
    "page size": flip(16, 3),
    "write version": flip(18),
    "read version": flip(19, 2),
    "reserved bytes": flip(20, 4),
    "payload fraction": flip(21),
    "page count": flip(31, 1),
    "first free page": flip(35, 5),
    "free pages": flip(39, 2),
    "schema format": flip(47, 5),
    "autovacuum": flip(55, 0),
    "text encoding": flip(59, 1),
    "greater user version": flip(63, 6),
    "smaller user version": flip(63, 0),
    "schema page type": flip(100, 3),
    "schema text": patch(2000, lambda old: noise(len(old)), 2000),
    "all of it": patch(0, lambda old: noise(len(old)), 100),
}
"""Of the first page."""
CUT = {
    "at a page": truncate(lambda size: size // PAGE // 2 * PAGE),
    "the last page": truncate(lambda size: size - PAGE),
    "within a page": truncate(lambda size: size // PAGE // 2 * PAGE + 1000),
    "after the header": truncate(lambda _: 100),
    "to one byte": truncate(lambda _: 1),
    "to nothing": truncate(lambda _: 0),
}
FOREIGN = {
    "text": write(b"this was never a database\n" * 200),
    "noise": write(noise(8 * PAGE)),
    "zeros": write(bytes(8 * PAGE)),
    "another database": another_database,
    "a folder": folder_in_place_of(""),
}
LOG = {
    "header": flip(9, 2, "-wal"),
    "header zeroed": patch(0, lambda old: bytes(len(old)), 32, "-wal"),
    "salt": flip(17, 4, "-wal"),
    "first frame": flip(32 + 24 + 500, 1, "-wal"),
    "a frame's header": flip(32 + 3 * FRAME + 2, 1, "-wal"),
    "a frame's checksum": flip(32 + 5 * FRAME + 17, 1, "-wal"),
    "frames in the middle": patch(32 + 8 * FRAME, lambda old: noise(len(old)), 2 * FRAME, "-wal"),
    "last frame": flip(-1000, 1, "-wal"),
    "noise behind it": lambda folder: patch(
        (folder / f"{OUTBOX}-wal").stat().st_size, lambda _: noise(9000), 0, "-wal"
    )(folder),
    "cut within a frame": truncate(lambda size: size - 1000, "-wal"),
    "gone": remove("-wal"),
    "a folder": folder_in_place_of("-wal"),
    "without its file": remove(""),
    "beside an empty file": truncate(lambda _: 0),
    "beside noise": write(noise(4 * PAGE)),
    "index of noise": write(noise(32768), "-shm"),
    "index that is a folder": folder_in_place_of("-shm"),
}
"""Of the log of an outbox whose process was killed."""
