"""Outboxes and spools that an older or a newer program wrote.

`state/` holds an outbox and its spool as the first program wrote them, before either had a second
version: `i-0` is over and its opening acknowledged, its end refused once; `i-1` is open with an
update, its keyframe is spooled; then the camera went offline.

The archives are folders of workers that were killed, log and all, each written by the very program
of its version. `over` is acknowledged but for its end; of `refused` the opening is a dead letter;
`open` is open, its keyframe is spooled, and its opening was refused once.
"""

from __future__ import annotations

import shutil
import sqlite3
import tarfile
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pipelines.delivery.outbox_schema import MIGRATIONS, VERSION
from pipelines.delivery.salvage.replacement import set_aside_beside
from pipelines.delivery.sinks.sink import Delivery
from pipelines.delivery.spool import VERSION_FILE, Spool
from pipelines.errors import SpoolUnavailable
from tests.pipelines.delivery.outboxes import Edge, life
from tests.pipelines.delivery.test_outbox import SINK, drain, images

STATE = Path(__file__).parent / "state"


@pytest.fixture(params=range(1, VERSION))
def left_over(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """A worker's folder, as the first program left it, and as each later one would have."""
    database = sqlite3.connect(tmp_path / "outbox.db")
    database.executescript((STATE / "outbox-1.sql").read_text("utf-8"))
    for version in range(1, request.param):
        database.executescript(MIGRATIONS[version])
    database.execute(f"PRAGMA user_version = {request.param}")
    database.close()
    (tmp_path / "spool").mkdir()
    for image in STATE.glob("*.jpg"):
        shutil.copy(image, tmp_path / "spool")
    return tmp_path


def test_the_first_version_is_read_migrated_and_delivered(left_over):
    edge = Edge(left_over)
    deliveries = edge.outbox.deliveries
    deliveries.register([SINK])
    assert edge.recover() == 1
    assert deliveries.pending() == 5
    refused = deliveries.next(SINK, "gate", 0.0)
    assert isinstance(refused, Delivery)
    assert (refused.sequence, refused.refusals) == (2, 1)
    edge.upload()
    events = drain(edge)
    assert [(event["subject"], event["type"].removeprefix("cityeye.")) for event in events] == [
        ("i-0", "incident.ended"),
        ("i-1", "incident.started"),
        ("i-1", "incident.updated"),
        ("gate", "camera.state"),
        ("i-1", "incident.ended"),
    ]
    assert [event["sequence"][-1] for event in events] == ["2", "3", "4", "5", "6"]
    ended = events[-1]["data"]
    assert (ended["revision"], ended["end_reason"]) == (3, "recovered")
    assert images(events[-1]) == [("opening", "stored")]
    edge.close()


@pytest.mark.parametrize("left_over", [1, 2], indirect=True)
def test_a_camera_that_was_online_before_the_migration_is_offline_after_the_crash(left_over):
    with sqlite3.connect(left_over / "outbox.db") as database:
        online = (
            'CAST(replace(CAST(body AS TEXT), \'"state":"offline"\', \'"state":"online"\') AS BLOB)'
        )
        database.execute(f"UPDATE event SET body = {online} WHERE seq = 5")
        if database.execute("SELECT 1 FROM sqlite_master WHERE name = 'camera'").fetchone():
            database.execute(f"UPDATE camera SET body = {online}")
        database.execute("UPDATE event SET body = CAST('not json' AS BLOB) WHERE seq = 1")
    database.close()
    edge = Edge(left_over)
    edge.outbox.deliveries.register([SINK])
    edge.recover()
    before, after = [event for event in drain(edge) if event["type"] == "cityeye.camera.state"]
    assert (before["data"]["state"], after["data"]["state"]) == ("online", "offline")
    assert (after["source"], after["incarnation"]) == ("cityeye/Neustadt/gate", 1)
    assert after["data"]["since"] < datetime.now(UTC).isoformat()
    edge.close()


def test_a_migrated_outbox_goes_on_and_migrates_once(left_over):
    for name in ("i-2", "i-3"):
        edge = Edge(left_over)
        edge.outbox.deliveries.register([SINK])
        edge.publish(*life(name), value=None)
        assert [event["subject"] for event in drain(edge)][-3:] == [name] * 3
        edge.close()
    with sqlite3.connect(left_over / "outbox.db") as database:
        assert database.execute("PRAGMA user_version").fetchone() == (VERSION,)
        assert not database.execute("SELECT 1 FROM sqlite_master WHERE name = 'lane'").fetchall()
    database.close()


@pytest.mark.parametrize("archive", ["first-killed.tar.xz", "third-killed.tar.xz"])
def test_what_a_killed_worker_of_an_older_program_left_is_delivered(tmp_path, archive):
    with tarfile.open(STATE / archive) as files:
        files.extractall(tmp_path, filter="data")
    edge = Edge(tmp_path)
    assert not set_aside_beside(tmp_path / "outbox.db")
    edge.outbox.deliveries.register([SINK])
    (letter,) = edge.outbox.deliveries.dead.listed()
    sink, dead, reason = letter.sink, letter.event, letter.reason
    assert (sink, reason) == (SINK, "400 Bad Request")
    assert edge.outbox.blob_names() == edge.spool.names() != frozenset()
    assert edge.recover() == 1
    edge.upload()
    events = drain(edge)
    assert dead not in {event["id"] for event in events}
    said = [
        (event["partitionkey"], event["subject"], event["type"].rpartition(".")[2])
        for event in events
    ]
    assert said == [
        ("gate", "over", "ended"),
        ("gate", "open", "started"),
        ("gate", "open", "updated"),
        ("gate", "gate", "state"),
        ("gate", "open", "ended"),
        ("north", "refused", "updated"),
        ("north", "refused", "ended"),
    ]
    assert images(events[0]) == [("opening", "stored"), ("closing", "stored")]
    assert images(events[4]) == [("opening", "stored")]
    assert not edge.spool.names()
    edge.close()


def test_a_spool_whose_version_is_garbled_is_read(left_over):
    kept = Spool(left_over / "spool").names()
    (left_over / "spool" / VERSION_FILE).write_bytes(b"\xff\x00")
    assert Spool(left_over / "spool").names() == kept


def test_a_spool_of_a_newer_program_is_left_alone(left_over):
    spool = Spool(left_over / "spool")
    kept = spool.names()
    assert len(kept) == 1
    assert Spool(left_over / "spool").names() == kept
    (left_over / "spool" / VERSION_FILE).write_text("99\n")
    with pytest.raises(SpoolUnavailable, match="schema version 99, this program knows 1"):
        Spool(left_over / "spool")
    assert (left_over / "spool" / next(iter(kept))).exists()
