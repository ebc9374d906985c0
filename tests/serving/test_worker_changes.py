"""A camera worker, without Ray, takes another plan: only what is different in it is touched."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from models.package import ModelPackage
from pipelines.plan import CameraPlan
from serving.camera_worker import CameraWorker
from serving.city_plan import WorkerPlan, shares
from serving.served_models import model_ref, served_model
from tests.camera_adapters.clips import TinyClip
from tests.serving.cities import city_plan
from tests.serving.packages import brightness_package

pytestmark = pytest.mark.slow

WAIT_S = 30.0


@pytest.fixture
def plan(brightness: ModelPackage, tiny_clip: TinyClip, tmp_path: Path) -> WorkerPlan:
    source = f"{tiny_clip.path.as_uri()}?realtime=1&loop=1"
    cameras = dict.fromkeys(("gate", "yard", "park"), source)
    city = city_plan(
        cameras,
        brightness,
        tmp_path,
        "http://127.0.0.1:9/",
        cameras_per_worker=3,
        detector="in_process",
    )
    (share,) = shares(replace(city, detector="in_process", cameras_per_worker=3, drain_s=0.1))
    return replace(share, models=city.models)


@pytest.fixture
def worker(plan: WorkerPlan) -> Iterator[CameraWorker]:
    one = CameraWorker(replace(plan, cameras=plan.cameras[:2]))
    yield one
    one.stop()


def wait_until(holds: Callable[[], bool], what: str) -> None:
    deadline_s = time.monotonic() + WAIT_S
    while not holds():
        assert time.monotonic() < deadline_s, f"not in time: {what}"
        time.sleep(0.02)


def analysed(worker: CameraWorker) -> dict[str, int]:
    return {one.id: one.statistics.analysed for one in worker.snapshot().group.cameras}


def slower(plan: CameraPlan) -> CameraPlan:
    spec = replace(plan.camera, rates={"crowding": 2.0})
    return replace(plan, camera=spec, tasks=(replace(plan.tasks[0], fps=2.0),))


def test_only_what_is_different_is_touched(worker: CameraWorker, plan: WorkerPlan) -> None:
    gate, yard, park = plan.cameras
    wait_until(lambda: min(analysed(worker).values()) > 2, "first results")
    before = analysed(worker)["gate"]
    assert worker.apply(replace(plan, cameras=(park, slower(yard), gate))) == {}
    assert analysed(worker)["gate"] >= before, "the counters of the one that stays go on"
    wait_until(lambda: analysed(worker).get("park", 0) > 0, "the new camera")
    rates = {c.id: c.statistics.requested_fps for c in worker.snapshot().group.cameras}
    assert rates == {"gate": 5.0, "yard": 2.0, "park": 5.0}
    assert worker.apply(replace(plan, cameras=(gate,))) == {}
    assert analysed(worker).keys() == {"gate"}
    assert analysed(worker)["gate"] >= before
    assert worker.snapshot().running


def test_an_empty_worker_waits_for_cameras(worker: CameraWorker, plan: WorkerPlan) -> None:
    assert worker.apply(replace(plan, cameras=())) == {}
    assert worker.snapshot().group.cameras == ()
    assert worker.apply(plan) == {}
    wait_until(lambda: min(analysed(worker).values()) > 0, "results of all three")


def test_another_version_is_loaded_first_and_taken_without_a_restart(
    worker: CameraWorker, plan: WorkerPlan, tmp_path: Path
) -> None:
    second = brightness_package(tmp_path / "packages", version="2")
    gate, yard, _ = plan.cameras
    wait_until(lambda: analysed(worker)["gate"] > 2, "first results")
    before = analysed(worker)["gate"]
    other = replace(gate, tasks=(replace(gate.tasks[0], model=model_ref(second)),))
    models = (*plan.models, served_model(second))
    assert worker.apply(replace(plan, cameras=(other, yard), models=models)) == {}
    assert analysed(worker)["gate"] >= before
    wait_until(
        lambda: "brightness/2" in worker.snapshot().group.cameras[0].statistics.models["crowding"],
        "results of the other version",
    )
    assert worker.snapshot().group.cameras[0].statistics.failed == 0


def test_a_camera_whose_model_cannot_be_loaded_stays_as_it_was(
    worker: CameraWorker, plan: WorkerPlan, tmp_path: Path
) -> None:
    broken = brightness_package(tmp_path / "packages", version="3")
    served = served_model(broken)
    (broken.directory / "model.onnx").write_bytes(b"none")
    gate, yard, _ = plan.cameras
    other = replace(gate, tasks=(replace(gate.tasks[0], model=model_ref(broken)),))
    wanted = replace(plan, cameras=(other, slower(yard)), models=(*plan.models, served))
    faults = worker.apply(wanted)
    assert faults.keys() == {"gate"}
    assert worker.apply(wanted) == faults, "it is tried again"
    assert "camera gate: " in faults["gate"]
    wait_until(lambda: min(analysed(worker).values()) > 1, "results of both")
    assert worker.apply(replace(wanted, cameras=(gate, slower(yard)))) == {}
