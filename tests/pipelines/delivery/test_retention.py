"""What is too old or too much is deleted in small steps, oldest first; what is held stays."""

from __future__ import annotations

import hashlib
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pipelines.delivery.holds import FILE, Holds
from pipelines.delivery.retention import (
    PASS_EVERY_S,
    STEP,
    Kept,
    KeyframeRetention,
    RetentionLimit,
    keep_files,
)
from pipelines.delivery.stores.folder import FolderStore
from pipelines.errors import HoldsUnreadable
from pipelines.event_evidence import KeyframeData
from pipelines.keyframe import EncodedImage, keyframe
from tests.pipelines.delivery.outboxes import Clock

NOW = datetime(2026, 3, 31, 12, tzinfo=UTC)
SIZE = 1000


class Store:
    """A folder with keyframes, and what keeps it within a limit."""

    def __init__(self, folder: Path, limit: RetentionLimit) -> None:
        self.folder = folder / "keyframes"
        self.store = FolderStore(self.folder)
        self.holds = Holds(folder / "state", lambda: NOW)
        self.clock = Clock()
        self.retention = KeyframeRetention(self.store, limit, self.holds, lambda: NOW, self.clock)

    def put(self, days_ago: float, incident: str = "i-1", number: int = 0) -> KeyframeData:
        data = f"{incident}-{number}-{days_ago}".encode().ljust(SIZE, b"x")
        image = EncodedImage(data, 160, 90, hashlib.sha256(data).hexdigest())
        at = NOW - timedelta(days=days_ago)
        named = keyframe(image, "opening", "gate", incident, f"event-{number}", number, at)
        self.store.put(named.key, data, named.sha256, "image/jpeg")
        return named

    def keep(self) -> Kept:
        """One look at all of it."""
        self.clock.now_s += PASS_EVERY_S + 1
        for _ in range(100):
            self.retention.step()
        return self.retention.kept

    def has(self, *keyframes: KeyframeData) -> list[bool]:
        return [self.store.exists(one.key) for one in keyframes]


def test_what_is_older_than_its_days_is_deleted(tmp_path):
    store = Store(tmp_path, RetentionLimit(days=30))
    old, edge, young = store.put(32), store.put(30), store.put(1)
    kept = store.keep()
    assert store.has(old, edge, young) == [False, True, True]
    assert (kept.bytes, kept.deleted, kept.oldest) == (2 * SIZE, 1, edge_day(30))
    assert not (store.folder / "kf-30d/v1/2026/02/27").exists(), "an empty folder stays"


def edge_day(days_ago: int):
    return (NOW - timedelta(days=days_ago)).date()


def test_beyond_its_bytes_the_oldest_goes(tmp_path):
    store = Store(tmp_path, RetentionLimit(gigabytes=3 * SIZE / 1e9))
    found = [store.put(days_ago, number=days_ago) for days_ago in (5, 4, 3, 2, 1)]
    kept = store.keep()
    assert store.has(*found) == [False, False, True, True, True]
    assert (kept.bytes, kept.deleted) == (3 * SIZE, 2)


def test_without_a_limit_nothing_is_deleted(tmp_path):
    store = Store(tmp_path, RetentionLimit())
    old = store.put(3000)
    kept = store.keep()
    assert store.has(old) == [True]
    assert (kept.bytes, kept.oldest) == (SIZE, edge_day(3000))


def test_what_is_held_stays_until_it_is_released(tmp_path):
    store = Store(tmp_path, RetentionLimit(days=30, gigabytes=SIZE / 1e9))
    held = [store.put(90, "held", 0), store.put(60, "held", 1)]
    other = store.put(60, "other")
    store.holds.add("held", "asked for by the court")
    store.holds.add("held", "once more")
    kept = store.keep()
    assert store.has(*held, other) == [True, True, False]
    assert (kept.held, kept.bytes) == (2, 2 * SIZE)
    (hold,) = store.holds.all()
    assert (hold.reason, hold.since) == ("asked for by the court", NOW)
    assert store.holds.release("held")
    assert not store.holds.release("held")
    store.keep()
    assert store.has(*held) == [False, False]


def test_a_hold_counts_while_a_look_is_under_way(tmp_path):
    store = Store(tmp_path, RetentionLimit(days=30))
    early = [store.put(60, f"early-{number}", number) for number in range(STEP)]
    late = store.put(50, "late")
    store.clock.now_s += PASS_EVERY_S + 1
    store.retention.step()
    assert not all(store.has(*early)), "it has begun"
    store.holds.add("late", "evidence")
    for _ in range(10):
        store.retention.step()
    assert store.has(late) == [True]


def test_where_the_holds_cannot_be_read_nothing_is_deleted(tmp_path):
    store = Store(tmp_path, RetentionLimit(days=30))
    store.holds.add("i-1", "evidence")
    old = store.put(90, "i-2")
    (tmp_path / "state" / FILE).write_text("[{")
    kept = store.keep()
    assert store.has(old) == [True]
    assert "nothing is deleted until they can" in kept.fault
    with pytest.raises(HoldsUnreadable):
        store.holds.add("i-3", "evidence")
    (tmp_path / "state" / FILE).unlink()
    assert store.keep().fault == ""
    assert store.has(old) == [False]


def test_what_is_being_written_and_foreign_files_are_left_alone(tmp_path):
    store = Store(tmp_path, RetentionLimit(days=30))
    old = store.put(90)
    part = store.folder / f"{old.key}.part"
    part.write_bytes(b"half")
    foreign = store.folder / "notes" / "2020" / "01" / "01" / "mine.jpg"
    foreign.parent.mkdir(parents=True)
    foreign.write_bytes(b"mine")
    kept = store.keep()
    assert part.exists()
    assert foreign.exists()
    assert kept.deleted == 1


def test_files_are_kept_within_days_and_bytes(tmp_path):
    files = []
    for days_ago in (40, 3, 2, 1):
        path = tmp_path / f"worker.log.{days_ago}"
        path.write_bytes(b"x" * 100)
        os.utime(path, (NOW.timestamp() - days_ago * 86_400,) * 2)
        files.append(path)
    nothing = Kept("logs", RetentionLimit())
    limit = RetentionLimit(days=30, gigabytes=250 / 1e9)
    kept = keep_files("logs", files, limit, NOW.timestamp(), nothing)
    assert [path.exists() for path in files] == [False, False, True, True]
    assert (kept.bytes, kept.deleted, kept.oldest) == (200, 2, edge_day(2))
    assert keep_files("logs", files, limit, NOW.timestamp(), kept) == kept
