"""Whatever happens to an outbox file: the worker starts, and what could be read is delivered."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from pipelines.delivery.relay import Relay
from pipelines.delivery.salvage.replacement import set_aside_beside
from pipelines.errors import OutboxTooNew, OutboxUnavailable
from tests.pipelines.delivery import damaged_outbox as damaged
from tests.pipelines.delivery.crashing_worker import FAST
from tests.pipelines.delivery.damaged_outbox import OUTBOX, PAGE, PAGE_DAMAGE, SINK, Damage
from tests.pipelines.delivery.outboxes import Edge, Recorder, life
from tests.pipelines.delivery.test_outbox import drain

PAGES = ("table inner", "table leaf", "index inner", "index leaf", "overflow", "free")
CLOSED = {
    **{f"{kind}: {name}": (kind, name) for kind in PAGES for name in PAGE_DAMAGE},
}
MAY_LOSE = ("table leaf", "overflow")
"""Where events themselves stand."""


@dataclass
class Outcome:
    """An outbox after its damage.

    Attributes:
        before: Its events, whole.
        readable: Those that SQLite could still read, each by itself.
        kept: Those in the outbox that a worker has now, dead letters included.
        set_aside: Whether the file was replaced.
    """

    before: damaged.Events
    readable: damaged.Events
    kept: damaged.Events
    set_aside: bool

    @property
    def lost(self) -> set[str]:
        return self.before.keys() - self.kept.keys()

    def check(self) -> None:
        for name, body in self.readable.items():
            if body == self.before[name]:
                assert self.kept.get(name) == body, "an event that could be read was lost"
        for name, body in self.kept.items():
            assert name in self.before, "an event was invented"
            altered_on_disk = self.readable.get(name)
            assert body in (self.before[name], altered_on_disk), "an event was changed"


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("built")
    damaged.build(folder)
    return folder


def outcome(built: Path, tmp_path: Path, state: str, damage: Damage) -> Outcome:
    """What becomes of a damaged outbox once a worker has started on it, and worked."""
    folder = tmp_path / "worker"
    shutil.copytree(built / state, folder)
    before = damaged.events_in(folder / OUTBOX, tmp_path / "read")
    newest = max(json.loads(body)["sequence"] for body in before.values())
    damage(folder)
    readable = damaged.events_in(folder / OUTBOX, tmp_path / "read")
    edge = Edge(folder)
    try:
        edge.outbox.deliveries.register([SINK])
        with edge.outbox.file.transaction() as db:
            rows = db.execute("SELECT id, body FROM event UNION SELECT id, body FROM dead")
            kept = {name: bytes(body) for name, body in rows.fetchall()}
        edge.recover()
        edge.publish(*life("after"), value=None)
        events = drain(edge)
    finally:
        edge.close()
    after = [event for event in events if event["subject"] == "after"]
    assert [event["data"]["phase"] for event in after] == ["started", "updated", "ended"]
    if set_aside_beside(folder / OUTBOX):
        assert after[0]["sequence"] > newest
    check_order(events)
    return Outcome(before, readable, kept, bool(set_aside_beside(folder / OUTBOX)))


def check_order(events: list[dict]) -> None:
    last: dict[str, str] = {}
    for event in events:
        assert event["sequence"] > last.get(event["partitionkey"], "")
        last[event["partitionkey"]] = event["sequence"]


@pytest.mark.slow
@pytest.mark.parametrize("case", CLOSED)
def test_a_damaged_page_costs_at_most_what_stood_on_it(built, tmp_path, case):
    kind, name = CLOSED[case]
    found = outcome(built, tmp_path, "closed", damaged.on_page(kind, PAGE_DAMAGE[name]))
    found.check()
    assert len(found.lost) <= (3 if kind in MAY_LOSE else 0)


@pytest.mark.slow
@pytest.mark.parametrize("case", damaged.HEADER)
def test_a_damaged_header_costs_nothing(built, tmp_path, case):
    found = outcome(built, tmp_path, "closed", damaged.HEADER[case])
    found.check()
    assert not found.lost


@pytest.mark.slow
@pytest.mark.parametrize("case", damaged.CUT)
def test_of_a_file_that_was_cut_off_the_rest_is_kept(built, tmp_path, case):
    found = outcome(built, tmp_path, "closed", damaged.CUT[case])
    found.check()
    assert found.set_aside


@pytest.mark.slow
@pytest.mark.parametrize("case", damaged.FOREIGN)
def test_something_else_in_its_place_is_set_aside(built, tmp_path, case):
    found = outcome(built, tmp_path, "closed", damaged.FOREIGN[case])
    assert found.set_aside
    assert not found.kept


@pytest.mark.slow
@pytest.mark.parametrize("case", damaged.LOG)
def test_a_damaged_log_costs_at_most_the_transactions_in_it(built, tmp_path, case):
    found = outcome(built, tmp_path, "killed", damaged.LOG[case])
    found.check()
    closed = damaged.events_in(built / "closed" / OUTBOX, tmp_path / "read")
    if case not in ("without its file", "beside an empty file", "beside noise"):
        assert closed.keys() <= found.kept.keys(), "an event that was not in the log was lost"


@pytest.mark.parametrize("case", ["salt", "frames in the middle", "a frame's checksum"])
def test_what_a_damaged_log_still_holds_is_kept(built, tmp_path, case):
    """SQLite itself would say nothing, and go on without what was committed behind the damage."""
    found = outcome(built, tmp_path, "killed", damaged.LOG[case])
    assert found.set_aside
    silent = found.before.keys() - found.readable.keys()
    assert len(silent & found.kept.keys()) > len(silent) // 2


def test_there_are_fifty_kinds_of_damage():
    kinds = (CLOSED, damaged.HEADER, damaged.CUT, damaged.FOREIGN, damaged.LOG)
    assert sum(map(len, kinds)) >= 50


@pytest.fixture
def worker(built: Path, tmp_path: Path) -> Path:
    """The folder of a worker whose outbox is damaged where neither events nor images stand."""
    folder = tmp_path / "worker"
    shutil.copytree(built / "closed", folder)
    damaged.HEADER["schema text"](folder)
    return folder


def test_what_stands_beside_the_events_is_kept_too(built, tmp_path, worker):
    assert len(pages := damaged.pages_of(built / "closed" / OUTBOX)) >= len(PAGES), pages
    whole = Edge(shutil.copytree(built / "closed", tmp_path / "whole"))
    edge = Edge(worker)
    for one in (whole, edge):
        one.outbox.deliveries.register([SINK])
    assert edge.outbox.deliveries.pending() == whole.outbox.deliveries.pending()
    assert edge.outbox.deliveries.dead.listed() == whole.outbox.deliveries.dead.listed()
    assert edge.outbox.blob_names() == whole.outbox.blob_names() != frozenset()
    assert edge.outbox.open_incidents() == whole.outbox.open_incidents() != []
    assert edge.outbox.camera_states() == whole.outbox.camera_states() != []
    assert edge.outbox.last_alive_at == whole.outbox.last_alive_at
    assert edge.outbox.incarnation == whole.outbox.incarnation
    whole.close()
    edge.close()


def test_the_damaged_file_is_kept_with_a_report_beside_it(worker):
    content = (worker / OUTBOX).read_bytes()
    Edge(worker).close()
    (report,) = set_aside_beside(worker / OUTBOX)
    assert (worker / report.file).read_bytes() == content
    assert report.events > 50
    assert report.unreadable == 0
    assert report.file in report.text
    Edge(worker).close()
    assert set_aside_beside(worker / OUTBOX) == [report], "it is set aside once"


def test_a_crash_between_the_moves_loses_nothing(worker):
    """Each step that a kill may interrupt leaves a folder from which the next start goes on."""
    Edge(worker).close()
    (report,) = set_aside_beside(worker / OUTBOX)
    stamp = report.file.rpartition("-")[2]
    events = damaged.events_in(worker / OUTBOX, worker / "read")
    (worker / OUTBOX).rename(worker / f"{OUTBOX}.salvaged-{stamp}")
    Edge(worker).close()
    assert damaged.events_in(worker / OUTBOX, worker / "read") == events != {}
    (worker / OUTBOX).rename(worker / f"{OUTBOX}.salvaged-{stamp}")
    (worker / report.file).rename(worker / OUTBOX)
    Edge(worker).close()
    assert damaged.events_in(worker / OUTBOX, worker / "read") == events
    assert (worker / report.file).exists()


def test_only_the_newest_damaged_files_are_kept(worker):
    for _ in range(7):
        (worker / OUTBOX).write_bytes(b"no database")
        Edge(worker).close()
    assert len(set_aside_beside(worker / OUTBOX)) == 5
    assert len(list(worker.glob(f"{OUTBOX}.damaged-*"))) == 10


def test_a_file_of_a_newer_program_is_left_alone(built, tmp_path):
    path = tmp_path / OUTBOX
    shutil.copy(built / "closed" / OUTBOX, path)
    db = sqlite3.connect(path)
    db.execute("ALTER TABLE event ADD COLUMN novelty TEXT")
    db.execute("PRAGMA user_version = 99")
    db.close()
    with pytest.raises(OutboxTooNew, match="schema version 99, this program knows"):
        Edge(tmp_path)
    assert not set_aside_beside(path)


@pytest.fixture
def running(built: Path, tmp_path: Path) -> Iterator[Edge]:
    """A worker at work, which has nothing of its outbox in memory any more."""
    edge = Edge(shutil.copytree(built / "closed", tmp_path / "worker"))
    edge.outbox.deliveries.register([SINK])
    with edge.outbox.file.transaction() as db:
        db.execute("PRAGMA shrink_memory")
    yield edge
    edge.close()


def test_damage_that_is_met_while_running_is_mended_without_an_end(running, tmp_path):
    path = running.folder / OUTBOX
    before = damaged.events_in(path, tmp_path / "read")
    leaf = damaged.pages_of(path)["index leaf"]
    with path.open("r+b") as file:
        for number in leaf:
            file.seek((number - 1) * PAGE)
            file.write(damaged.noise(PAGE))
    with pytest.raises(OutboxUnavailable, match="damaged"):
        drain(running)
    running.publish(*life("meanwhile"), value=None)
    assert running.outbox.counters.unsaved == 3
    running.outbox.mend()
    running.outbox.save_unsaved()
    assert running.outbox.counters.unsaved == 0
    assert not running.outbox.fault
    arrived = drain(running)
    check_order(arrived)
    subjects = [event["subject"] for event in arrived]
    assert subjects.count("meanwhile") == 3
    assert "with-image" in subjects
    (report,) = set_aside_beside(path)
    assert report.events == len(before)


def test_a_name_that_is_no_text_any_more_is_read_from_its_event(running, tmp_path):
    path = running.folder / OUTBOX
    before = damaged.events_in(path, tmp_path / "read")
    with running.outbox.file.transaction() as db:
        db.execute(
            "UPDATE partitions SET partition = CAST(x'67ff7465' AS TEXT) WHERE partition = 'gate'"
        )
        db.execute(
            "UPDATE event SET partition = CAST(x'67ff7465' AS TEXT) WHERE partition = 'gate'"
        )
    with pytest.raises(OutboxUnavailable, match="decode"):
        running.outbox.deliveries.partitions(SINK)
    running.outbox.mend()
    assert set(running.outbox.deliveries.partitions(SINK)) == set(damaged.CAMERAS)
    with running.outbox.file.transaction() as db:
        kept = {name: bytes(body) for name, body in db.execute("SELECT id, body FROM event")}
    assert kept == before


def test_a_mistake_in_a_statement_is_no_damage(running):
    file = running.outbox.file
    with pytest.raises(OutboxUnavailable, match="no such table"), file.transaction() as db:
        db.execute("SELECT 1 FROM nowhere")
    with pytest.raises(ZeroDivisionError), running.outbox.file.transaction():
        assert 1 / 0
    assert running.outbox.deliveries.pending() > 0
    assert not set_aside_beside(running.folder / OUTBOX)


def test_an_event_that_was_altered_on_the_disk_is_never_sent(built, tmp_path):
    folder = Path(shutil.copytree(built / "closed", tmp_path / "worker"))
    content = (folder / OUTBOX).read_bytes()
    (folder / OUTBOX).write_bytes(content.replace(b'"zone":"square"', b'"zone":"Square"'))
    edge = Edge(folder)
    edge.outbox.deliveries.register([SINK])
    before = len(edge.outbox.deliveries.dead.listed())
    assert {event["type"] for event in drain(edge)} == {"cityeye.camera.state"}
    assert not set_aside_beside(folder / OUTBOX)
    new = edge.outbox.deliveries.dead.listed()[before:]
    assert {letter.reason for letter in new} == {"unreadable: it was altered on the disk"}
    assert len(new) > 10
    edge.close()


def test_a_relay_mends_what_its_worker_meets(running):
    path = running.folder / OUTBOX
    with path.open("r+b") as file:
        file.seek(PAGE)
        file.write(damaged.noise(path.stat().st_size - PAGE))
    sink = Recorder(SINK)
    relay = Relay(running.outbox, running.spool, running.store, [sink], retry=FAST)
    relay.start()
    running.publish(*life("meanwhile"), value=None)
    sink.wait_for(lambda: len([e for e in sink.events if e["subject"] == "meanwhile"]) == 3)
    relay.stop()
    assert len(set_aside_beside(path)) == 1
