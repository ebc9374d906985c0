"""How a worker slot waits before it starts a worker again, and what the new one is told."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from pipelines.delivery.stores.folder import FolderSettings
from pipelines.delivery.stores.registry import KeyframeSettings
from serving import worker_slot
from serving.city_plan import DeliveryPlan, Liveness, WorkerPlan
from serving.incarnations import Incarnations
from serving.worker_slot import LATELY_S, WorkerSlot


class Workers:
    """What Ray would do, on a clock of its own."""

    def __init__(self) -> None:
        self.now_s = 1000.0
        self.started: list[WorkerPlan] = []
        self.ended = 0

    def start(self, plan: WorkerPlan, gpus: float) -> object:
        self.started.append(plan)
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
    slot = WorkerSlot(plan, 0.0, Liveness(), Incarnations(tmp_path))
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
