"""Costs are measured in a process of its own, on real video and with a real model."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from camera_adapters.spec import CameraSpec, Credentials
from serving.capacity import measurement
from serving.capacity.cost import Analysis, ModelCost, StreamShape
from serving.capacity.drawn_detector import OBJECTS, drawn_rows
from serving.capacity.errors import CapacityError
from serving.capacity.measurement import (
    keep_costs,
    kept_costs,
    machine_name,
    measure_costs,
)
from serving.capacity.trial_process import TrialOrder, measured
from serving.served_models import served_model
from tests.serving.capacity.costs import COSTS, TRAFFIC
from tests.serving.cities import camera_plan
from tests.serving.packages import brightness_package


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    return brightness_package(tmp_path_factory.mktemp("models"))


@pytest.mark.integration
@pytest.mark.slow
def test_a_machine_is_measured(package):
    login = Credentials("viewer", "hunter2")
    plan = camera_plan("gate", "rtsp://10.0.0.1/", package)
    plan = replace(plan, camera=CameraSpec("gate", "rtsp://10.0.0.1/", credentials=login))
    costs = measure_costs([plan], [served_model(package)])
    assert costs.machine == machine_name()
    assert set(costs.video) == {"h264", "h265"}
    assert costs.missing(["brightness/1"]) == []
    assert 0 < costs.models["brightness/1"].core_s < 0.05
    assert 0 < costs.frame_s < 0.05
    hd = StreamShape(costs_size(1280, 720), 12.5)
    full = StreamShape(costs_size(1920, 1080), 12.5)
    asked = Analysis.of(plan)
    assert 0.005 < costs.camera(hd, asked).cores < costs.camera(full, asked).cores < 1.0


def costs_size(width, height):
    return replace(TRAFFIC.size, width=width, height=height)


@pytest.mark.integration
@pytest.mark.slow
def test_what_runs_elsewhere_is_not_run_in_the_trial(package):
    plan = camera_plan("gate", "rtsp://10.0.0.1/", package)
    remote = {"brightness/1": ModelCost(0.0123, local=False)}
    costs = measure_costs([plan], [served_model(package)], remote)
    assert costs.models == remote


def test_no_login_travels_to_the_trial(package, monkeypatch):
    orders = []

    def run(*_, input, **__):
        orders.append(input)
        raise measurement.subprocess.TimeoutExpired("trial", 1)

    monkeypatch.setattr(measurement.subprocess, "run", run)
    login = Credentials("viewer", "hunter2")
    plan = camera_plan("gate", "rtsp://10.0.0.1/", package)
    plan = replace(plan, camera=CameraSpec("gate", "rtsp://10.0.0.1/", credentials=login))
    with pytest.raises(CapacityError, match="not measured within"):
        measure_costs([plan], [served_model(package)])
    assert b"hunter2" not in orders[0]
    assert b"10.0.0.1" not in orders[0]


def test_a_model_that_does_not_load_is_named(package, tmp_path):
    broken = brightness_package(tmp_path, "broken")
    plan = camera_plan("gate", "rtsp://10.0.0.1/", broken)
    model = served_model(broken)
    broken.onnx_path.write_bytes(b"no model")
    report = measured(TrialOrder((plan,), (model,)))
    assert "broken" in report.fault


def test_costs_are_kept_for_this_machine_and_its_models(tmp_path: Path):
    here = replace(COSTS, machine=machine_name())
    keep_costs(tmp_path, here)
    assert kept_costs(tmp_path, ["traffic/1"]) == here
    assert kept_costs(tmp_path, ["traffic/2"]) is None, "a model that was not measured"
    keep_costs(tmp_path, replace(here, models={"traffic/1": ModelCost(0.006, local=False)}))
    assert kept_costs(tmp_path, ["traffic/1"]) is None, "it was measured elsewhere"
    keep_costs(tmp_path, COSTS)
    assert kept_costs(tmp_path, ["traffic/1"]) is None, "another machine"
    (tmp_path / "capacity.json").write_text("{", "utf-8")
    assert kept_costs(tmp_path, []) is None, "damaged"


def test_things_that_are_drawn_move_and_stay_in_the_image():
    first, later = drawn_rows(TRAFFIC, 10.0), drawn_rows(TRAFFIC, 11.0)
    assert first.shape == (OBJECTS, 6)
    assert (first[:, 0] != later[:, 0]).all()
    for rows in (first, later):
        assert rows[:, :4].min() >= 0
        assert rows[:, 2].max() <= TRAFFIC.size.width
        assert rows[:, 3].max() <= TRAFFIC.size.height
