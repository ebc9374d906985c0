"""The precision benchmark, on few images: its measurements fit together and its report is JSON."""

from __future__ import annotations

from dataclasses import replace

import pytest

from benchmarks import precision
from benchmarks.precision import (
    ACCURACY_BLOCK,
    CALIBRATION_BLOCK,
    CHEAPER,
    PrecisionBenchmark,
    run,
    seeds_of,
)
from benchmarks.result import BenchmarkResult, read_result
from models import Detector
from tests.e2e.command import cityeye

FEW = PrecisionBenchmark(images=16, calibration=16, batches=(1, 2), rounds=2, round_s=0.05)


def value(result: BenchmarkResult, name: str) -> float:
    return result.metric(name).median


@pytest.fixture(scope="module")
def result():
    measured = run(FEW, lambda _: None)
    return BenchmarkResult.model_validate_json(measured.model_dump_json())


@pytest.mark.slow
def test_changes_are_given_against_fp32_of_the_same_run(result):
    assert 0.5 < value(result, "ap50[precision=fp32]") < 1
    for one in CHEAPER:
        for quantity in ("ap50", "ap"):
            cheap = value(result, f"{quantity}[precision={one}]")
            change = value(result, f"{quantity}_change[precision={one}]")
            assert change == pytest.approx(cheap - value(result, f"{quantity}[precision=fp32]"))


@pytest.mark.slow
def test_cheaper_precisions_change_something_and_keep_nearly_everything(result):
    for one in CHEAPER:
        assert value(result, f"ap[precision={one}]") != value(result, "ap[precision=fp32]")
        assert abs(value(result, f"ap50_change[precision={one}]")) < 0.05
        assert value(result, f"fidelity_ap50[precision={one}]") > 0.9


@pytest.mark.slow
def test_ratios_are_those_of_the_rounds(result):
    for batch in (1, 2):
        fp32 = result.metric(f"images_per_s[precision=fp32,batch={batch}]").samples
        assert min(fp32) > 0
        for one in CHEAPER:
            own = result.metric(f"images_per_s[precision={one},batch={batch}]").samples
            ratios = result.metric(f"ratio[precision={one},batch={batch}]").samples
            assert ratios == pytest.approx([a / b for a, b in zip(own, fp32, strict=True)])


@pytest.mark.slow
def test_the_result_says_what_was_measured_and_where(result):
    assert result.benchmark == "precision"
    assert result.settings["model"] == "traffic/1"
    assert len(result.settings["sha256"]) == 64
    assert result.settings["images"] == 16
    assert result.machine.versions["onnxruntime"]
    accuracy, throughput = result.tables
    assert [row[0] for row in accuracy.rows] == ["fp32", *CHEAPER]
    assert len(throughput.rows) == 2 * 3


@pytest.mark.slow
def test_the_command_writes_its_result(tmp_path):
    few = ("--images", "16", "--rounds", "1", "--seconds", "0.05", "--json", "one.json")
    done = cityeye("bench", "precision", *few, folder=tmp_path)
    assert done.status == 0, done.output
    assert "AP50" in done.output
    assert read_result(tmp_path / "one.json").settings["images"] == 16


@pytest.mark.parametrize("places", [("crossroad",), ("crossroad", "arterial"), ("park",)])
def test_what_calibrates_does_not_measure_accuracy(places):
    """Even with as many images as the command line allows."""
    measuring = seeds_of(places, ACCURACY_BLOCK, 480)
    calibrating = seeds_of(places, CALIBRATION_BLOCK, 480)
    assert len(measuring) == len(calibrating) == 480
    assert not set(measuring) & set(calibrating)


@pytest.mark.proof
@pytest.mark.timeout(1200)
def test_many_images_lose_next_to_nothing_in_fewer_bits():
    result = run(PrecisionBenchmark(images=480), lambda _: None)
    for one in CHEAPER:
        assert abs(value(result, f"ap50_change[precision={one}]")) < 0.02
        assert value(result, f"fidelity_ap50[precision={one}]") > 0.9


@pytest.mark.slow
def test_a_precision_that_runs_elsewhere_is_left_out(monkeypatch):
    class OnGpu(Detector):
        def __init__(self, package, *, provider):
            super().__init__(package)
            self.provider = "cpu" if package.manifest.precision == "int8" else "cuda"

    def called(package, name, *_):
        manifest = package.manifest.model_copy(update={"precision": name})
        return replace(package, manifest=manifest)

    monkeypatch.setattr(precision, "Detector", OnGpu)
    monkeypatch.setattr(precision, "lowered", called)
    said = []
    measured = run(FEW, said.append)
    assert "int8 is left out: it does not run on cuda" in said
    assert [row[0] for row in measured.tables[0].rows] == ["fp32", "fp16"]
    assert {row[1] for row in measured.tables[1].rows} == {"fp32", "fp16"}
    assert not any("int8" in one.name for one in measured.metrics)
