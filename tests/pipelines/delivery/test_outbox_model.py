"""The outbox against a simple model, through any order of events, uploads, losses and restarts."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections import defaultdict
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from pipelines.delivery.outbox import Outbox
from pipelines.delivery.sinks.sink import Delivery
from pipelines.incident import Phase, Severity, Transition
from tests.levels import scaled
from tests.pipelines.delivery.outboxes import Clock, Edge, incident, life

CAMERAS = ("north", "south")
SINKS = ("hub", "city")
GRACE_S = 10.0
SECOND = timedelta(seconds=1)


class OutboxMachine(RuleBasedStateMachine):
    """What was committed, what each sink has seen, and what must follow from it."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="outbox-model-"))
        self.clock = Clock()
        self.born = 0
        self.open: dict[str, Transition] = {}
        self.committed: set[tuple[str, str, datetime]] = set()
        self.lost: set[str] = set()
        self.seen: dict[str, list[dict[str, Any]]] = defaultdict(list)
        self.bytes: dict[str, bytes] = {}
        self.edge = self._start()

    def _start(self) -> Edge:
        outbox = Outbox(self.folder / "outbox.db", monotonic=self.clock, utc_s=self.clock)
        outbox.deliveries.register(SINKS)
        return Edge(self.folder, outbox)

    def _publish(self, step: Transition, value: int | None) -> None:
        self.edge.publish(step, value=value)
        self.committed.add((step.incident.id, step.phase.value, step.incident.updated_at))

    @rule(at=st.sampled_from(CAMERAS), value=st.none() | st.integers(0, 255))
    def start(self, at: str, value: int | None) -> None:
        self.born += 1
        step = Transition(Phase.STARTED, incident(f"i-{self.born}", at, Severity.LOW))
        self.open[step.incident.id] = step
        self._publish(step, value)

    @precondition(lambda self: self.open)
    @rule(data=st.data(), severity=st.sampled_from(Severity))
    def update(self, data: st.DataObject, severity: Severity) -> None:
        last = self.open[data.draw(st.sampled_from(sorted(self.open)))].incident
        step = Transition(
            Phase.UPDATED, replace(last, updated_at=last.updated_at + SECOND, severity=severity)
        )
        self.open[last.id] = step
        self._publish(step, 50)

    @precondition(lambda self: self.open)
    @rule(data=st.data(), value=st.none() | st.integers(0, 255))
    def end(self, data: st.DataObject, value: int | None) -> None:
        last = self.open.pop(data.draw(st.sampled_from(sorted(self.open)))).incident
        self._publish(life(last.id, last.camera)[-1], value)

    @rule()
    def store_one(self) -> None:
        blob = self.edge.outbox.next_blob()
        if blob is not None:
            data = self.edge.spool.read(blob.name, blob.sha256)
            self.edge.store.put(blob.key, data, blob.sha256, "image/jpeg")
            self.edge.outbox.blob_stored(blob.key)
            self.edge.spool.remove(blob.name)

    @rule()
    def lose_one(self) -> None:
        blob = self.edge.outbox.next_blob()
        if blob is not None:
            self.edge.outbox.blob_lost(blob.key)
            self.edge.spool.remove(blob.name)
            self.lost.add(blob.key)

    @rule(seconds=st.sampled_from([1.0, GRACE_S, 3600.0]))
    def wait(self, seconds: float) -> None:
        self.clock.now_s += seconds

    @rule(
        sink=st.sampled_from(SINKS),
        at=st.sampled_from(CAMERAS),
        count=st.integers(1, 5),
        answered=st.booleans(),
    )
    def deliver(self, sink: str, at: str, count: int, answered: bool) -> None:
        deliveries = self.edge.outbox.deliveries
        for _ in range(count):
            delivery = deliveries.next(sink, at, GRACE_S)
            if not isinstance(delivery, Delivery):
                return
            self._take(sink, delivery)
            if not answered:
                return
            deliveries.acknowledge(sink, delivery)

    @rule()
    def restart(self) -> None:
        self.edge.close()
        self.edge = self._start()
        ended = self.edge.recover()
        assert ended == len(self.open)
        self.open.clear()

    @rule(keep_s=st.sampled_from([0.0, 1800.0]))
    def prune(self, keep_s: float) -> None:
        self.edge.outbox.prune(keep_s)

    def _take(self, sink: str, delivery: Delivery) -> None:
        event = json.loads(delivery.body)
        assert event["id"] == delivery.event
        assert self.bytes.setdefault(delivery.event, delivery.body) == delivery.body
        seen = self.seen[sink]
        if delivery.event in {known["id"] for known in seen}:
            return
        for known in seen:
            if known["partitionkey"] == delivery.partition:
                assert known["sequence"] < event["sequence"]
            if known["data"]["incident_id"] == event["data"]["incident_id"]:
                assert known["data"]["revision"] < event["data"]["revision"]
        seen.append(event)

    @invariant()
    def the_spool_holds_what_waits(self) -> None:
        assert self.edge.spool.names() == self.edge.outbox.blob_names()

    def teardown(self) -> None:
        try:
            self._drain_and_check()
        finally:
            self.edge.close()
            shutil.rmtree(self.folder)

    def _drain_and_check(self) -> None:
        self.edge.upload()
        self.clock.now_s += GRACE_S
        for sink in SINKS:
            for at in CAMERAS:
                self.deliver(sink, at, 10_000, answered=True)
        assert self.edge.outbox.deliveries.pending() == 0
        expected = {(name, phase) for name, phase, _ in self.committed}
        for sink in SINKS:
            events = [event["data"] for event in self.seen[sink]]
            assert expected <= {(data["incident_id"], data["phase"]) for data in events}
            newest = {data["incident_id"]: data for data in events}
            assert {name for name, data in newest.items() if data["phase"] != "ended"} == set(
                self.open
            )
            for data in newest.values():
                for frame in data["keyframes"]:
                    assert frame["state"] == "stored"
                    assert frame["key"] not in self.lost
                    assert self.edge.store.exists(frame["key"])


TestOutbox = OutboxMachine.TestCase
TestOutbox.settings = settings(
    max_examples=scaled(15), stateful_step_count=30, deadline=None, derandomize=True
)
