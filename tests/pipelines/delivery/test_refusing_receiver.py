"""A receiver that refuses everything for ten minutes, in every way there is, and is then well.

Everything that happened meanwhile arrives, in order per camera. The clock of the courier is moved
on here; the proof at the end waits for real.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from pipelines.delivery.courier import Courier
from pipelines.delivery.outbox import Outbox
from pipelines.delivery.relay import Relay
from tests.certificates import self_signed
from tests.pipelines.delivery.http_receiver import Receiver
from tests.pipelines.delivery.outboxes import Clock, Edge, http_sink, life
from tests.pipelines.delivery.test_sink_http import TRICKLES

STATUSES = (400, 401, 403, 404, 405, 409, 410, 413, 415, 422, 429, 500, 501, 502, 503, 504)
WAYS = (
    *map(str, STATUSES),
    "redirect",
    "hang",
    "hang up",
    "refused connection",
    "wrong certificate",
    "no HTTP",
    *(f"trickle: {part}" for part in TRICKLES),
)
REFUSED_S = 600.0
CAMERAS = ("gate", "north", "south")


class Refusing(Receiver):
    """A receiver that refuses everything in one way until it is `mended`."""

    def __init__(self, way: str, folder: Path) -> None:
        self.way = way
        for name in ("good", "bad"):
            (folder / name).mkdir()
        self.good = self_signed(folder / "good", "127.0.0.1")
        over_tls = way == "wrong certificate"
        bad = self_signed(folder / "bad", "127.0.0.1") if over_tls else None
        super().__init__(tls=bad)
        if way.isdecimal():
            self.status = int(way)
        elif way == "redirect":
            self.status, self.answer_headers = 307, {"Location": self.url}
        elif way == "hang":
            self.delay = threading.Event()
        elif way == "hang up":
            self.answers = lambda request: None
        elif way == "no HTTP":
            self.answers = lambda request: request.wfile.write(b"SSH-2.0-OpenSSH_9.2\r\n")
        elif way == "refused connection":
            self.close()
        elif way.startswith("trickle"):
            self.answers = TRICKLES[way.partition(": ")[2]]

    def mend(self) -> None:
        if self.delay is not None:
            self.delay.set()
            self.delay = None
        self.status, self.answers, self.answer_headers = 204, None, {}
        if self.way == "wrong certificate":
            self.close()
            self.tls = self.good
        if self.way in ("wrong certificate", "refused connection"):
            self.listen()

    @property
    def phases(self) -> dict[str, list[tuple[str, str]]]:
        """Incident and phase of what was accepted, by camera, without repetitions."""
        found: dict[str, dict[str, tuple[str, str]]] = {}
        for delivery in self.accepted:
            event = json.loads(delivery.body)
            incident = event["data"]["incident_id"], event["data"]["phase"]
            found.setdefault(event["partitionkey"], {}).setdefault(event["id"], incident)
        return {camera: list(events.values()) for camera, events in found.items()}


def publish(edge: Edge, names: list[str]) -> None:
    for name in names:
        for camera in CAMERAS:
            edge.publish(*life(f"{camera}-{name}", camera), value=None)


def expected(names: list[str]) -> dict[str, list[tuple[str, str]]]:
    return {
        camera: [
            (f"{camera}-{name}", phase)
            for name in names
            for phase in ("started", "updated", "ended")
        ]
        for camera in CAMERAS
    }


@pytest.mark.parametrize("way", WAYS)
def test_everything_arrives_after_ten_minutes_of_refusals(tmp_path, way):
    clock = Clock()
    edge = Edge(tmp_path, Outbox(tmp_path / "outbox.db", monotonic=clock))
    receiver = Refusing(way, tmp_path)
    waits = way == "hang" or way.startswith("trickle")
    deadline = {"deadline_s": 0.1} if waits else {}
    sink = http_sink(receiver.url, name="hub", ca_certs=receiver.good[0], **deadline)
    deliveries = edge.outbox.deliveries
    deliveries.register([sink.name])
    courier = Courier(sink, deliveries, 0.0, monotonic=clock, utc_s=clock)
    began_s = clock.now_s
    try:
        names = []
        while clock.now_s < began_s + REFUSED_S:
            if len(names) < 3:
                names.append(f"during-{len(names)}")
                publish(edge, names[-1:])
            clock.now_s += max(1.0, courier.round() or 0.0)
        state = courier.watch.state("hub")
        assert (state.delivered, state.cameras) == (0, ())
        assert state.since is not None
        assert state.since.timestamp() < began_s + 60.0
        assert len(state.reason) > 20
        receiver.mend()
        for _ in range(40):
            clock.now_s += max(1.0, courier.round() or 0.0)
        assert receiver.phases == expected(names)
        assert deliveries.dead.listed() == []
        assert deliveries.pending() == 0
        assert courier.watch.state("hub").trouble == ""
    finally:
        receiver.close()
        edge.close()


@pytest.mark.proof
@pytest.mark.timeout(1500)
def test_everything_arrives_after_ten_real_minutes_of_every_refusal(tmp_path):
    worlds = []
    for number, way in enumerate(WAYS):
        folder = tmp_path / str(number)
        folder.mkdir()
        edge, receiver = Edge(folder), Refusing(way, folder)
        # Shorter than a receiver hangs or trickles: what ends well by itself is no refusal.
        sink = http_sink(receiver.url, name="hub", ca_certs=receiver.good[0], deadline_s=5.0)
        relay = Relay(edge.outbox, edge.spool, edge.store, [sink])
        relay.start()
        worlds.append((way, edge, receiver, relay))
    names: list[str] = []
    until_s = time.monotonic() + REFUSED_S
    while time.monotonic() < until_s:
        names.append(f"during-{len(names)}")
        for _, edge, _, _ in worlds:
            publish(edge, names[-1:])
        time.sleep(20.0)
    troubles = {way: relay.counters.sinks[0].trouble for way, _, _, relay in worlds}
    for _, _, receiver, _ in worlds:
        receiver.mend()

    def missing() -> list[str]:
        return [way for way, _, receiver, _ in worlds if receiver.phases != expected(names)]

    wait_for(lambda: not missing(), 400.0)
    dead = {way: relay.counters.dead for way, _, _, relay in worlds}
    for _, edge, receiver, relay in worlds:
        relay.stop()
        receiver.close()
        edge.close()
    assert missing() == []
    assert all(troubles.values())
    assert not any(dead.values())


def wait_for(condition: Callable[[], bool], seconds: float) -> None:
    until_s = time.monotonic() + seconds
    while not condition() and time.monotonic() < until_s:
        time.sleep(1.0)
