"""Conservation under `kill -9`: what was committed arrives, in order, ended, with its images."""

from __future__ import annotations

import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from pipelines.delivery.relay import Relay
from tests.levels import scaled
from tests.pipelines.delivery.crashing_worker import FAST
from tests.pipelines.delivery.http_receiver import Receiver
from tests.pipelines.delivery.outboxes import Edge, http_sink

ROUNDS = scaled(8)
LONGEST_LIFE_S = 0.4
DRAIN_S = 60.0
ROOT = Path(__file__).parents[3]


class ForgetfulReceiver(Receiver):
    """Takes every delivery, but every seventh acknowledgement is lost."""

    def reply(self, request: Any) -> None:
        self.status = 500 if len(self.deliveries) % 7 == 6 else 204
        super().reply(request)


@dataclass
class Oracle:
    """What the workers said about themselves."""

    tried: set[tuple[str, str]] = field(default_factory=set)
    committed: set[tuple[str, str]] = field(default_factory=set)

    def hear(self, words: list[str]) -> None:
        if words[0] == "trying":
            self.tried.add((words[1], words[2]))
        elif words[0] == "committed":
            self.committed.add((words[1], words[2]))


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = ForgetfulReceiver()
    yield receiver
    receiver.close()


@pytest.mark.slow
@pytest.mark.scaled
def test_what_was_committed_arrives_whatever_is_killed(tmp_path, receiver):
    oracle = Oracle()
    kill_workers(tmp_path, receiver.url, oracle)
    edge = Edge(tmp_path)
    edge.recover()
    relay = Relay(edge.outbox, edge.spool, edge.store, [http_sink(receiver.url)], retry=FAST)
    relay.start()
    relay.stop(DRAIN_S)
    assert relay.counters.pending == 0
    assert edge.outbox.deliveries.dead.listed() == []

    bodies: dict[str, bytes] = {}
    for delivery in receiver.deliveries:
        known = bodies.setdefault(json.loads(delivery.body)["id"], delivery.body)
        assert known == delivery.body, "an event changed between two attempts"
    assert len(receiver.deliveries) > len(bodies), "no acknowledgement was lost: a weak test"
    events = [json.loads(body) for body in bodies.values()]

    arrived = {(event["data"]["incident_id"], event["data"]["phase"]) for event in events}
    assert oracle.committed <= arrived
    assert {name for name, _ in arrived} <= {name for name, _ in oracle.tried}
    assert len(oracle.committed) >= ROUNDS
    check_order(events)
    check_ends_and_images(events, edge)
    assert edge.spool.names() == frozenset()
    edge.close()


def kill_workers(folder: Path, url: str, oracle: Oracle) -> None:
    """Lets one worker after the other live for a random time."""
    chance = random.Random(4)
    script = [sys.executable, "-m", "tests.pipelines.delivery.crashing_worker", str(folder), url]
    with subprocess.Popen(
        script, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT, text=True
    ) as parent:
        assert parent.stdin is not None
        assert parent.stdout is not None
        for number in range(ROUNDS):
            parent.stdin.write(f"{number}\n")
            parent.stdin.flush()
            pid, commits = 0, 0
            for line in parent.stdout:
                words = line.split()
                oracle.hear(words)
                assert words[0] != "dead", "the worker died by itself"
                pid = int(words[1]) if words[0] == "pid" else pid
                commits += words[0] == "committed"
                if pid and commits:
                    time.sleep(chance.uniform(0.0, LONGEST_LIFE_S))
                    os.kill(pid, signal.SIGKILL)
                    break
            for line in parent.stdout:
                words = line.split()
                oracle.hear(words)
                if words[0] == "dead":
                    break
        parent.stdin.close()


def check_order(events: list[dict[str, Any]]) -> None:
    """First arrivals: sequence grows per camera, revision per incident."""
    last_sequence: dict[str, str] = {}
    last_revision: dict[str, int] = {}
    for event in events:
        camera, incident = event["partitionkey"], event["data"]["incident_id"]
        assert event["sequence"] > last_sequence.get(camera, "")
        assert event["data"]["revision"] > last_revision.get(incident, 0)
        last_sequence[camera] = event["sequence"]
        last_revision[incident] = event["data"]["revision"]


def check_ends_and_images(events: list[dict[str, Any]], edge: Edge) -> None:
    """The newest word on every incident is its end, and all images it names can be read."""
    newest = {event["data"]["incident_id"]: event["data"] for event in events}
    frames = [frame for data in newest.values() for frame in data["keyframes"]]
    assert {data["phase"] for data in newest.values()} == {"ended"}
    assert {frame["state"] for frame in frames} == {"stored"}
    for frame in frames:
        assert hashlib.sha256(edge.store.get(frame["key"])).hexdigest() == frame["sha256"]
