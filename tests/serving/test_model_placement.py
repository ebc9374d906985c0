"""What `auto` becomes: threads, runs, batches and the kind of detector follow a measurement."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from models.package import ModelPackage
from pipelines.plan import ModelRef
from serving import memory, placement
from serving.city_plan import CityPlan, Wish, shares
from serving.detectors import DetectorKind
from serving.errors import ServingError
from serving.placement import placed_plan
from serving.served_models import ServedModel
from serving.trial import MeasuredHop, MeasuredRuns, thread_options
from tests.camera_adapters.clips import TinyClip
from tests.serving.cities import city_plan

GIB = 1024**3


class Trial:
    """A trial on an imaginary machine of four cores.

    Attributes:
        rates: Images per second by threads and runs; batches change nothing.
        hops: Processor time per image through another process by batch, milliseconds.
    """

    problem = ""
    runs_on = "cpu"
    rates: Mapping[tuple[int, int], float] = {(1, 4): 400.0, (2, 2): 380.0, (4, 1): 300.0}
    hops: Mapping[int, float] = {1: 9.0, 2: 8.0, 4: 7.0, 8: 6.9, 16: 6.9}

    def __init__(self, model: ServedModel, gpus: float) -> None:
        self.model = model

    def __enter__(self) -> Trial:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def load(self) -> str:
        return self.problem

    def provider(self) -> str:
        return self.runs_on

    def measure(self, threads: int, runs: int, batch: int) -> MeasuredRuns:
        rate = self.rates.get((threads, runs), 100.0)
        if self.runs_on == "cuda":
            rate *= {1: 0.3, 2: 0.5, 4: 0.8, 8: 0.95}.get(batch, 1.0)
        return MeasuredRuns(threads, runs, batch, rate, 5.0)

    def measure_hop(self, batch: int) -> MeasuredHop:
        return MeasuredHop(batch, self.hops[batch])


@pytest.fixture
def plan(
    brightness: ModelPackage,
    tiny_clip: TinyClip,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> CityPlan:
    monkeypatch.setattr(placement, "TrialProcess", Trial)
    monkeypatch.setattr(placement, "usable_cores", lambda: 4)
    monkeypatch.setattr(placement, "gpus_of_cluster", lambda: 0.0)
    cameras = dict.fromkeys((f"camera-{i}" for i in range(10)), tiny_clip.path.as_uri())
    plan = city_plan(cameras, brightness, tmp_path, "http://127.0.0.1:9/", cameras_per_worker=8)
    return replace(plan, wish=Wish(cameras_per_worker=8))


def placed(plan: CityPlan, **wish: object) -> tuple[CityPlan, str]:
    said: list[str] = []
    found = placed_plan(replace(plan, wish=replace(plan.wish, **wish)), said.append)  # type: ignore[arg-type]
    return found, " ".join(said)


def test_a_processor_gets_one_thread_per_run_and_a_run_per_core(plan: CityPlan) -> None:
    found, said = placed(plan)
    (model,) = found.models
    assert (found.detector, model.args.threads, model.args.replicas) == ("in_process", 1, 4)
    assert (found.slots.count, found.slots.frames) == (4, 1)
    assert "4 runs at once with 1 thread, 400 images/s" in said
    assert "in the camera workers, as an image costs 5.0 ms of a core" in said
    assert "6.9 ms through another process" in said or "7.0 ms through another process" in said
    assert found.versions is not None
    assert found.versions.args == {"threads": 1, "replicas": 4}, "for versions that come later"


@pytest.mark.parametrize(
    ("cores", "detector", "cameras"),
    [(2, "auto", 10), (4, "auto", 10), (8, "auto", 5), (16, "auto", 3), (4, "ray_serve", 8)],
)
def test_workers_are_few_where_they_infer(
    plan: CityPlan, monkeypatch: pytest.MonkeyPatch, cores: int, detector: str, cameras: int
) -> None:
    monkeypatch.setattr(placement, "usable_cores", lambda: cores)
    found, _ = placed(plan, detector=detector, cameras_per_worker="auto")
    assert found.cameras_per_worker == cameras


def test_slots_follow_the_cameras_of_a_worker(plan: CityPlan) -> None:
    found, _ = placed(plan)
    assert [(len(one.cameras), one.slots.count) for one in shares(found)] == [(8, 4), (2, 1)]


def test_workers_share_the_memory_of_the_machine(
    plan: CityPlan, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "machine_memory_bytes", lambda: 32 * GIB)
    assert placed(plan)[0].liveness.memory_bytes == 12 * GIB, "two workers, a quarter for others"
    assert placed(plan, cameras_per_worker=1)[0].liveness.memory_bytes == int(2.4 * GIB)
    assert placed(plan, worker_memory_bytes=GIB)[0].liveness.memory_bytes == GIB


def test_more_threads_are_taken_where_they_are_faster(
    plan: CityPlan, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Trial, "rates", {(1, 4): 300.0, (2, 2): 400.0, (4, 1): 300.0})
    found, _ = placed(plan)
    assert (found.models[0].args.threads, found.models[0].args.replicas) == (2, 2)
    assert found.slots.count == 3, "one converts while the others run"


def test_what_the_configuration_says_stands(plan: CityPlan) -> None:
    found, said = placed(plan, threads=3, replicas=2, detector="ray_serve")
    (model,) = found.models
    assert (found.detector, model.args.threads, model.args.replicas) == ("ray_serve", 3, 2)
    assert found.slots.count == 3
    assert "camera worker" not in said, "nothing was chosen"


@pytest.mark.parametrize(("kind", "cost"), [("in_process", 6.0), ("ray_serve", 4.0)])
def test_the_cheaper_kind_of_detector_is_chosen(
    plan: CityPlan, monkeypatch: pytest.MonkeyPatch, kind: DetectorKind, cost: float
) -> None:
    monkeypatch.setattr(Trial, "hops", dict.fromkeys(Trial.hops, cost))
    assert placed(plan)[0].detector == kind


def test_batches_to_another_process_are_as_small_as_they_may_be(plan: CityPlan) -> None:
    # 5 frames per second: a run may take 100 ms, which is 20 images of 5 ms.
    found, _ = placed(plan, detector="ray_serve")
    assert found.slots.frames == 4, "8 is hardly better"


def test_a_gpu_is_shared_by_all_workers_in_batches(
    plan: CityPlan, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Trial, "runs_on", "cuda")
    found, said = placed(plan)
    assert (found.detector, found.slots.frames, found.models[0].args.replicas) == (
        "ray_serve",
        8,
        1,
    )
    assert "(cuda); on Ray Serve" in said


def test_a_version_that_does_not_run_is_named(
    plan: CityPlan, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Trial, "problem", "its results for its golden images are wrong")
    with pytest.raises(ServingError, match=r"model brightness 1 cannot be served: its results"):
        placed(plan)


@pytest.mark.parametrize(
    ("cores", "options"), [(1, [1]), (2, [1, 2]), (6, [1, 2, 4, 6]), (16, [1, 2, 4, 8, 16])]
)
def test_thread_options(cores: int, options: list[int]) -> None:
    assert list(thread_options(cores)) == options


def test_model_refs_keep_their_batch(plan: CityPlan) -> None:
    found, _ = placed(plan)
    refs: set[ModelRef] = {task.model for one in found.cameras for task in one.tasks}
    assert refs == {model.ref for model in found.models}
