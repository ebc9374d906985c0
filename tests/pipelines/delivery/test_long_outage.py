"""A hub that is away for a day: kept within the configured bytes, drained fast, no camera blocked.

Fifty cameras in workers of eight, each with 20 incidents an hour (opening, update and end, with
keyframes) and a measurement a minute, for the real hub in a process of its own. A day of events is
recorded as fast as the disk takes it, while the relays of all workers keep trying. `make test` does
it for one worker and a quarter of an hour.
"""

from __future__ import annotations

import contextlib
import socket
import sqlite3
import time
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from pipelines.access import TokenFile
from pipelines.coverage import Coverage
from pipelines.delivery.event_log import OutboxLimits
from pipelines.delivery.relay import Relay
from pipelines.evidence_frame import EvidenceFrame
from pipelines.incident import Measurement
from tests.event_hub.process import hub_process
from tests.pipelines.delivery.outboxes import (
    MODEL,
    OPENED,
    RULE,
    Edge,
    camera,
    http_sink,
    image,
    life,
)

CAMERAS_PER_WORKER = 8
INCIDENTS_PER_HOUR = 20
MEASUREMENTS_PER_HOUR = 60
EVENTS_PER_INCIDENT = 3
FASTER = 10
"""Than real time, at least."""


SEEN = Coverage(60.0, 60.0, 60.0, {})


@dataclass
class Worker:
    """One worker's outbox, spool and relay, and how long recording took at most."""

    edge: Edge
    relay: Relay
    cameras: tuple[str, ...]
    slowest_s: float = 0.0
    events: int = 0

    def record(self, minute: int) -> None:
        """A minute of all its cameras."""
        for name in self.cameras:
            began_s = time.monotonic()
            begin = OPENED + timedelta(minutes=minute)
            period = (begin, begin + timedelta(minutes=1))
            measured = Measurement("traffic.flow", name, *period, 9.0, "1/min", "road")
            source = (camera(name), MODEL, RULE)
            self.edge.recorder.publish_measurement(measured, "traffic", SEEN, *source)
            self.events += 1
            if minute % (60 // INCIDENTS_PER_HOUR) == 0:
                for step in life(f"{name}-{minute}", name):
                    self.edge.recorder.publish(
                        step, camera(name), MODEL, RULE, EvidenceFrame(image())
                    )
                self.events += EVENTS_PER_INCIDENT
            self.slowest_s = max(self.slowest_s, time.monotonic() - began_s)

    def close(self) -> None:
        self.relay.stop()
        self.edge.close()


def city(folder: Path, cameras: int, url: str, token: str) -> list[Worker]:
    names = [f"camera-{number}" for number in range(cameras)]
    workers = []
    for start in range(0, cameras, CAMERAS_PER_WORKER):
        own = folder / f"worker-{start // CAMERAS_PER_WORKER}"
        edge = Edge(own)
        sink = http_sink(url, token=token, name="hub")
        relay = Relay(edge.outbox, edge.spool, edge.store, [sink])
        workers.append(Worker(edge, relay, tuple(names[start : start + CAMERAS_PER_WORKER])))
        relay.start()
    return workers


def stored_events(database: Path) -> int:
    with contextlib.closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as db:
        return int(db.execute("SELECT count(*) FROM events").fetchone()[0])


@pytest.mark.integration
@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize(
    ("hours", "cameras"),
    [(0.25, 8), pytest.param(24.0, 50, marks=pytest.mark.proof)],
)
def test_a_hub_that_was_away_gets_everything_in_a_tenth_of_the_time(tmp_path, hours, cameras):
    tokens = TokenFile(tmp_path / "hub" / "access")
    tokens.prepare()
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    url = f"http://127.0.0.1:{port}/api/events"
    workers = city(tmp_path, cameras, url, tokens.first())
    limits = OutboxLimits()
    try:
        began_s = time.monotonic()
        for minute in range(int(60 * hours)):
            for worker in workers:
                worker.record(minute)
        recorded_s = time.monotonic() - began_s
        events = sum(worker.events for worker in workers)
        while any(worker.relay.counters.keyframes_pending for worker in workers):
            time.sleep(0.5)
        for worker in workers:
            with worker.edge.outbox.file.transaction() as db:
                count, used = db.execute("SELECT events, bytes FROM usage").fetchone()
            assert count <= limits.max_events
            assert used <= limits.max_bytes
            assert worker.edge.outbox.counters.shed == 0
            assert worker.relay.counters.sinks[0].trouble
        # An opening whose keyframe was late is revised once it is stored.
        waiting = sum(worker.relay.counters.pending for worker in workers)
        assert waiting >= events
        largest = max(
            sum(path.stat().st_size for path in (tmp_path / f"worker-{number}").glob("outbox.db*"))
            for number in range(len(workers))
        )
        began_s = time.monotonic()
        with hub_process(tmp_path / "hub", "--port", str(port)):
            while sum(worker.relay.counters.pending for worker in workers):
                assert time.monotonic() - began_s < 3600 * hours / FASTER
                time.sleep(0.5)
        drained_s = time.monotonic() - began_s
        dead = sum(worker.relay.counters.dead for worker in workers)
        slowest_s = max(worker.slowest_s for worker in workers)
    finally:
        for worker in workers:
            worker.close()
    print(  # noqa: T201 - the figures of the proof
        f"{waiting} events of {cameras} cameras and {hours:g} h recorded in {recorded_s:.0f} s, the"
        f" slowest minute of a camera in {1000 * slowest_s:.0f} ms; largest outbox"
        f" {largest / 2**20:.0f} MiB of {limits.max_bytes / 2**20:.0f} MiB; drained in"
        f" {drained_s:.0f} s with the start of the hub, {3600 * hours / drained_s:.0f} times as"
        " fast as they happened"
    )
    assert dead == 0
    assert stored_events(tmp_path / "hub" / "hub.db") == waiting
    # A minute of a camera is recorded in far less than a minute, whatever the relay does.
    assert slowest_s < 60.0 / FASTER
    assert events == round(
        hours * cameras * (MEASUREMENTS_PER_HOUR + EVENTS_PER_INCIDENT * INCIDENTS_PER_HOUR)
    )
