"""In which precision a model begins that a city has not run yet: what is measured decides."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from itertools import count
from pathlib import Path

import pytest

from serving import precision_choice
from serving.city_plan import CityPlan
from serving.precision_choice import with_fastest_precisions
from serving.served_models import ServedModel, served_model
from serving.trial import MeasuredRuns
from tests.camera_adapters.clips import TinyClip
from tests.models.tiny import as_int8
from tests.serving.cities import city_plan
from tests.serving.packages import brightness_package


class Trial:
    """A trial on an imaginary machine of two cores, on which every pair is a little slower.

    Attributes:
        rates: Images per second by version.
        problems: Why versions do not load.
        providers: Where versions run, if not on the processor.
    """

    rates: Mapping[str, float] = {"1": 100.0, "1+int8": 190.0}
    problems: Mapping[str, str] = {}
    providers: Mapping[str, str] = {}
    order: list[str]
    slower: count[int]

    def __init__(self, model: ServedModel, gpus: float) -> None:
        self._version = model.ref.version

    def __enter__(self) -> Trial:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def load(self) -> str:
        return self.problems.get(self._version, "")

    def provider(self) -> str:
        return self.providers.get(self._version, "cpu")

    def measure(self, threads: int, runs: int, batch: int) -> MeasuredRuns:
        self.order.append(self._version)
        rate = self.rates[self._version] / (1 + next(self.slower) // 2)
        return MeasuredRuns(threads, runs, batch, rate, 5.0)


@pytest.fixture
def plan(tiny_clip: TinyClip, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CityPlan:
    """A city that begins with a model of which there is an int8 version."""
    monkeypatch.setattr(precision_choice, "TrialProcess", Trial)
    monkeypatch.setattr(precision_choice, "usable_cores", lambda: 2)
    monkeypatch.setattr(precision_choice, "gpus_of_cluster", lambda: 0.0)
    monkeypatch.setattr(Trial, "order", [], raising=False)
    monkeypatch.setattr(Trial, "slower", count(), raising=False)
    cameras = dict.fromkeys(("gate", "yard"), tiny_clip.path.as_uri())
    package = brightness_package(tmp_path / "packages")
    plan = city_plan(cameras, package, tmp_path, "http://127.0.0.1:9/")
    return replace(plan, other_precisions={"brightness": (served_model(as_int8(package)),)})


def chosen(plan: CityPlan) -> tuple[CityPlan, str]:
    said: list[str] = []
    found = with_fastest_precisions(plan, said.append)
    return found, " | ".join(said)


def test_int8_serves_where_it_is_faster(plan: CityPlan) -> None:
    found, said = chosen(plan)
    (table,) = found.rollouts
    assert table.stable == "1+int8"
    assert table.first is not None
    assert table.first.version == "1+int8"
    assert table.first.why in said
    assert "int8 infers 1.90 times as many images/s as fp32 here (1.90 to 1.90" in said
    assert "model brightness 1+int8 serves" in said
    assert [one.ref.key for one in found.models] == ["brightness/1+int8"]
    tasks = [task for camera in found.cameras for task in camera.tasks]
    assert {task.model.key for task in tasks} == {"brightness/1+int8"}
    assert Trial.order == ["1", "1+int8"] * 5, "the two of a pair run one right after the other"


def test_fp32_serves_where_int8_gains_little(
    plan: CityPlan, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Trial, "rates", {"1": 100.0, "1+int8": 105.0})
    found, said = chosen(plan)
    (table,) = found.rollouts
    assert table.stable == "1"
    assert table.first is not None, "it is measured once"
    assert "1.05 times" in table.first.why
    assert "model brightness 1 serves" in said
    assert [one.ref.key for one in found.models] == ["brightness/1"]


@pytest.mark.parametrize(
    ("problems", "providers", "says"),
    [
        ({"1+int8": "its golden images differ"}, {}, "is left out: its golden images differ"),
        ({}, {"1": "cuda"}, "is left out: it does not run on cuda"),
        ({"1": "no memory"}, {}, ""),
    ],
    ids=["int8 is broken", "int8 runs elsewhere", "fp32 is broken"],
)
def test_what_cannot_be_compared_changes_nothing(
    plan: CityPlan,
    monkeypatch: pytest.MonkeyPatch,
    problems: Mapping[str, str],
    providers: Mapping[str, str],
    says: str,
) -> None:
    monkeypatch.setattr(Trial, "problems", problems)
    monkeypatch.setattr(Trial, "providers", providers)
    found, said = chosen(plan)
    assert found == plan
    assert says in said


def test_a_version_that_cameras_name_runs_beside_the_chosen_one(plan: CityPlan) -> None:
    gate, yard = plan.cameras
    pinned = replace(gate, tasks=tuple(replace(task, pinned=True) for task in gate.tasks))
    found, _ = chosen(replace(plan, cameras=(pinned, yard)))
    assert {one.ref.key for one in found.models} == {"brightness/1", "brightness/1+int8"}
    assert [camera.tasks[0].model.version for camera in found.cameras] == ["1", "1+int8"]


def test_a_model_that_has_run_before_is_not_measured(plan: CityPlan) -> None:
    kept = replace(plan, other_precisions={})
    assert chosen(kept) == (kept, "")
    assert not Trial.order
