"""What a kind of GPU carries is what was measured on it, scaled; nothing else has a number."""

from __future__ import annotations

from dataclasses import replace

import pytest

from benchmarks.gpu_capacity import GpuDemand, gpu_capacities, stored_gpu_results
from benchmarks.result import Metric
from tests.benchmarks.results import GPU, MACHINE, result

HD = 1920 * 1080 / 1e6
DEMAND = GpuDemand("h264", HD * 30, {"traffic/1": 5.0})


def metric(name: str, value: float) -> Metric:
    return Metric(name=name, unit="1/s", better="higher", samples=(value,))


@pytest.fixture
def measured(tmp_path):
    path = tmp_path / "gpu-testla.json"
    settings = {
        "recordings": "1920x1080 at 30 frames/s, 4 Mbit/s, with noise",
        "model": "traffic/1",
    }
    one = result(
        metric("streams.cameras[codec=H.264]", 100.0),
        metric("images_per_s[path=detector,precision=fp32,batch=16]", 900.0),
        metric("images_per_s[path=detector,precision=fp16,batch=16]", 1000.0),
        metric("images_per_s[path=prepared graph,precision=fp16,batch=16]", 9000.0),
        benchmark="gpu",
        machine=MACHINE.model_copy(update={"gpus": (GPU,)}),
        settings=settings,
    )
    one.write(path)
    return path


@pytest.mark.parametrize(
    ("changes", "cameras", "limit"),
    [
        ({}, 100, "decoding"),
        ({"megapixels_per_s": HD * 15}, 190, "inference"),
        ({"megapixels_per_s": HD * 15, "inferences": {"traffic/1": 2.0}}, 200, "decoding"),
        ({"inferences": {"traffic/1": 25.0}}, 38, "inference"),
    ],
)
def test_the_scarcer_one_is_the_limit(measured, changes, cameras, limit):
    (found,) = gpu_capacities(replace(DEMAND, **changes), [measured])
    assert (found.gpu, found.cameras, found.limit) == ("Testla", cameras, limit)
    assert "100 cameras of 1920x1080 at 30 images/s in H.264" in found.measured
    assert found.source == "gpu-testla.json"


@pytest.mark.parametrize(
    "changes",
    [
        {"codec": "h265"},
        {"inferences": {"other/1": 5.0}},
        {"inferences": {"traffic/1": 5.0, "other/1": 1.0}},
    ],
)
def test_what_nobody_measured_has_no_number(measured, changes):
    assert gpu_capacities(replace(DEMAND, **changes), [measured]) == []


def test_the_stored_results_give_back_what_they_measured():
    found = gpu_capacities(DEMAND, stored_gpu_results())
    assert [(one.gpu, one.cameras, one.limit) for one in found] == [
        ("NVIDIA H100 80GB HBM3", 154, "decoding"),
        ("NVIDIA H200", 152, "decoding"),
    ]
