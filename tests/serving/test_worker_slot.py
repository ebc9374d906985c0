"""How a worker slot waits before it starts a worker again, and what the new one is told."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from camera_adapters.spec import CameraSpec
from pipelines.delivery.stores.folder import FolderSettings
from pipelines.delivery.stores.registry import KeyframeSettings
from pipelines.plan import CameraPlan
from serving import worker_slot
from serving.city_plan import DeliveryPlan, Liveness, WorkerPlan
from serving.gpu_shares import WorkerGpus
from serving.incarnations import Incarnations
from serving.nodes import CameraNode
from serving.worker_slot import LATELY_S, WorkerSlot
from tests.serving.workers import worker_state

HERE, THERE = CameraNode("a", "here", 4.0), CameraNode("b", "there", 4.0)


class Workers:
    """What Ray would do, on a clock of its own."""

    def __init__(self) -> None:
        self.now_s = 1000.0
        self.started: list[WorkerPlan] = []
        self.nodes: list[str] = []
        self.ended = 0

    def start(self, plan: WorkerPlan, gpus: float, node: str) -> object:
        self.started.append(plan)
        self.nodes.append(node)
        return object()

    def end(self, worker: object) -> None:
        self.ended += 1


@pytest.fixture
def workers(monkeypatch: pytest.MonkeyPatch) -> Workers:
    workers = Workers()
    monkeypatch.setattr(worker_slot, "start_worker", workers.start)
    monkeypatch.setattr(worker_slot, "end_worker", workers.end)
    clock = SimpleNamespace(monotonic=lambda: workers.now_s)
    monkeypatch.setattr(worker_slot, "time", clock)
    return workers


@pytest.fixture
def slot(workers: Workers, tmp_path: Path) -> WorkerSlot:
    keyframes = KeyframeSettings(folder=FolderSettings(tmp_path))
    plan = WorkerPlan("worker-0", (), DeliveryPlan(keyframes, (), tmp_path))
    slot = WorkerSlot(plan, WorkerGpus(), Liveness(), Incarnations(tmp_path))
    slot.place(HERE, 2)
    slot.start()
    return slot


def wait_s(slot: WorkerSlot, workers: Workers) -> float:
    """How long a worker that is replaced now stays away."""
    slot.replace("died: it is a test")
    before_s = workers.now_s
    while not slot.due:
        workers.now_s += 0.5
    slot.start()
    return workers.now_s - before_s


def test_one_that_dies_again_and_again_waits_longer_and_longer(slot, workers):
    assert [wait_s(slot, workers) for _ in range(8)] == [0.0, 1.0, 2.0, 4.0, 8.0, 15.0, 15.0, 15.0]
    assert workers.ended == 8
    assert slot.state().restarts == 8


def test_one_that_was_well_for_a_while_is_back_at_once(slot, workers):
    for _ in range(8):
        wait_s(slot, workers)
    workers.now_s += LATELY_S
    assert wait_s(slot, workers) == 0.0
    assert slot.state().restarts == 9, "the count goes on"


def test_the_next_worker_is_told_why(slot, workers):
    assert workers.started[0].replaced == ""
    wait_s(slot, workers)
    assert workers.started[1].replaced == "died: it is a test"
    numbers = [plan.incarnation for plan in workers.started]
    assert numbers == sorted(set(numbers))


class Answering:
    """A worker that answers what it is given."""

    def __init__(self, *bodies: bytes) -> None:
        said = worker_state().snapshot
        assert said is not None
        answer = replace(said, open_incidents=bodies)
        self.snapshot = SimpleNamespace(remote=lambda: answer)


@pytest.fixture
def answered(slot: WorkerSlot, monkeypatch: pytest.MonkeyPatch) -> WorkerSlot:
    """Its worker has said which incidents are open."""
    monkeypatch.setattr(worker_slot, "wait_for", lambda answer, _: answer)
    slot.worker = Answering(b"one", b"two")
    slot.ask()
    assert slot.check(answered=True) == ""
    return slot


def test_on_another_machine_incidents_that_were_open_go_along(answered, workers):
    assert answered.state().snapshot.open_incidents == (), "nobody else need get them"
    answered.replace("there has left the cluster")
    answered.place(None, 2)
    assert "no machine of the cluster has a core" in answered.state().silence
    assert not answered.due, "there is no machine for it"
    answered.place(THERE, 3)
    assert answered.state().silence != ""
    answered.start()
    assert (workers.nodes, workers.started[-1].slots.count) == (["a", "b"], 3)
    assert workers.started[-1].open_elsewhere == (b"one", b"two")
    answered.replace("died: before it has answered")
    answered.start()
    assert workers.started[-1].open_elsewhere == (b"one", b"two")
    answered.worker = Answering(b"two")
    answered.ask()
    answered.check(answered=True)
    answered.replace("died: they are in its outbox now")
    answered.start()
    assert workers.started[-1].open_elsewhere == ()


def test_on_the_same_machine_its_outbox_knows_what_was_open(answered, workers):
    answered.replace("died: it is a test")
    answered.place(HERE, 2)
    answered.start()
    assert workers.started[-1].open_elsewhere == ()


def test_a_label_that_no_machine_has_is_named(slot):
    plan = CameraPlan(CameraSpec("gate", "rtsp://gate/live"), (), node_labels={"network": "west"})
    slot.plan = replace(slot.plan, cameras=(plan,))
    slot.replace("died: it is a test")
    slot.place(None, 1)
    assert slot.state().silence == "no machine of the cluster that lives is labelled network=west"
