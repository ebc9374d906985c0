"""A worker says what it lost and what is wrong with its disk, once and until it is put right."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from event_hub.envelope import parse_event
from pipelines.delivery.event_log import OutboxLimits
from pipelines.delivery.handover import open_bodies
from pipelines.delivery.outbox import Outbox
from pipelines.delivery.relay import Relay
from pipelines.delivery.sinks.sink import Delivery
from pipelines.delivery.spool import Spool, SpoolLimits
from serving.api.health import health_answer
from serving.worker_state import WorkerState
from serving.worker_upkeep import Predecessor, WorkerUpkeep
from tests.pipelines.delivery.outboxes import Edge, Recorder, life
from tests.serving.workers import worker_state

SINK = "hub"
LIMITS = OutboxLimits(max_events=12)
FIRST = Predecessor()


class Worker:
    """What a worker keeps, and who looks after it; nothing is delivered by itself."""

    def __init__(
        self, folder: Path, spool: Spool | None = None, before: Predecessor = FIRST
    ) -> None:
        self.edge = Edge(folder, Outbox(folder / "outbox.db", LIMITS), spool)
        # It is never started.
        sinks = [Recorder(SINK)]
        relay = Relay(self.edge.outbox, self.edge.spool, self.edge.store, sinks)
        self.upkeep = WorkerUpkeep(
            "worker-0",
            self.edge.outbox,
            self.edge.spool,
            self.edge.recorder,
            relay,
            lambda: {"gate": ()},
            before=before,
        )
        self.upkeep.round()

    def events(self, partition: str) -> list[dict[str, Any]]:
        """Those that were not given away before."""
        found = []
        deliveries = self.edge.outbox.deliveries
        while isinstance(one := deliveries.next(SINK, partition, 0.0), Delivery):
            deliveries.acknowledge(SINK, one)
            parse_event(one.body)
            found.append(json.loads(one.body))
        return found

    def notices(self) -> list[dict[str, Any]]:
        found = self.events("worker-0")
        assert {one["type"] for one in found} <= {"cityeye.worker.notice"}
        return found


@pytest.fixture
def damaged(tmp_path: Path) -> Iterator[Worker]:
    edge = Edge(tmp_path)
    edge.publish(*life("before")[:1], value=None)
    edge.close()
    data = bytearray((tmp_path / "outbox.db").read_bytes())
    data[2000:3000] = b"\7" * 1000
    (tmp_path / "outbox.db").write_bytes(bytes(data))
    worker = Worker(tmp_path)
    yield worker
    worker.edge.close()


def health_of(worker: Worker) -> WorkerState:
    state = worker_state("gate")
    assert state.snapshot is not None
    return replace(state, snapshot=replace(state.snapshot, storage=worker.upkeep.problems()))


def test_a_damaged_outbox_is_an_event_once_and_a_problem_until_it_is_moved_away(damaged, tmp_path):
    (notice,) = damaged.notices()
    assert notice["source"] == "cityeye/Neustadt/workers/worker-0"
    assert (notice["data"]["kind"], notice["data"]["worker"]) == ("outbox_damaged", "worker-0")
    assert notice["data"]["values"] == {"events": 1, "unreadable": 0}
    health = health_answer([health_of(damaged)], [], [], {})
    assert health.status == "degraded"
    (problem,) = health.problems
    assert problem == f"worker-0: {notice['data']['text']}"
    damaged.edge.close()
    again = Worker(tmp_path)
    assert again.notices() == []
    assert len(again.upkeep.problems()) == 1, "a restart changes nothing about it"
    (aside,) = (one for one in tmp_path.glob("outbox.db.damaged-*") if one.suffix != ".json")
    aside.rename(tmp_path.parent / "evidence.db")
    again.upkeep.round()
    assert again.upkeep.problems() == ()
    again.edge.close()


def test_open_incidents_of_a_damaged_outbox_end(damaged):
    assert damaged.edge.outbox.open_incidents() == []


def test_events_that_were_altered_on_the_disk_are_a_problem_for_a_day(tmp_path):
    edge = Edge(tmp_path)
    edge.publish(*life("before")[:1], value=None)
    edge.close()
    content = (tmp_path / "outbox.db").read_bytes()
    (tmp_path / "outbox.db").write_bytes(content.replace(b'"gate","name"', b'"Gate","name"'))
    worker = Worker(tmp_path)
    assert worker.upkeep.problems() == ()
    behind = worker.edge.outbox.deliveries.next(SINK, "gate", 0.0)
    assert isinstance(behind, Delivery)
    assert behind.sequence == 2
    worker.upkeep.round()
    (problem,) = worker.upkeep.problems()
    assert "cannot be sent: 1; `cityeye events dead` lists them" in problem
    worker.edge.close()


def test_incidents_that_are_open_on_a_machine_that_is_away_go_on_here_and_end_once(tmp_path):
    away = Edge(tmp_path / "away")
    started, grown, _ = life("i-1")
    away.publish(started, grown)
    bodies = open_bodies(away.outbox)
    assert len(bodies) == 1
    here = tmp_path / "here"
    for number in range(2):
        # Started twice with the same, as the director has not heard of the first one.
        worker = Worker(here, before=Predecessor("gone", bodies))
        worker.upkeep.round()
        events = worker.events("gate")
        if number == 0:
            (ended,) = events
            assert ended["type"] == "cityeye.incident.ended"
            said = ended["data"]
            assert (said["incident_id"], said["end_reason"]) == ("i-1", "recovered")
            assert said["revision"] == 3, "it goes on after those of the other machine"
        else:
            assert events == [], "an incident ends once"
        worker.edge.close()
    away.close()


def test_what_a_full_outbox_gives_up_is_published(tmp_path):
    worker = Worker(tmp_path)
    for number in range(6):
        worker.edge.publish(*life(f"i-{number}"), value=None)
    shed = worker.edge.outbox.counters.shed
    assert shed > 0
    worker.upkeep.round()
    worker.upkeep.round()
    (notice,) = worker.notices()
    assert (notice["data"]["kind"], notice["data"]["values"]) == ("events_shed", {"count": shed})
    worker.edge.publish(*life("more"), value=None)
    worker.upkeep.round()
    assert worker.notices() == [], "each of them costs an event that has no room"
    worker.upkeep.stop()
    (notice,) = worker.notices()
    assert notice["data"]["values"]["count"] >= 3
    worker.edge.close()


def test_a_spool_that_takes_nothing_is_a_problem_until_it_takes_something(tmp_path):
    limits = SpoolLimits(min_free_bytes=2**60)
    edge = Edge(tmp_path / "full", spool=Spool(tmp_path / "full" / "spool", limits))
    edge.publish(*life()[:1])
    worker = Worker(tmp_path, edge.spool)
    (problem,) = worker.upkeep.problems()
    assert "bytes left: free some; " in problem
    assert problem.endswith(f"bytes are free on the disk of {tmp_path}")
    # As when somebody has made room.
    object.__setattr__(limits, "min_free_bytes", 0)
    worker.upkeep.round()
    assert worker.upkeep.problems() == ()
    assert not list(tmp_path.rglob("probe*"))
    worker.edge.close()
    edge.close()
