"""The precision benchmark, on few images: its measurements fit together and its report is JSON."""

from __future__ import annotations

import json

import pytest

from benchmarks.precision import (
    ACCURACY_BLOCK,
    CALIBRATION_BLOCK,
    CHEAPER,
    PrecisionBenchmark,
    main,
    seeds_of,
)

FEW = PrecisionBenchmark(images=16, calibration=16, batches=(1, 2), rounds=2, round_s=0.05)


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    path = tmp_path_factory.mktemp("bench") / "precision.json"
    assert main(path, FEW) == 0
    return json.loads(path.read_text(encoding="utf-8"))


@pytest.mark.slow
def test_changes_are_given_against_fp32_of_the_same_run(report):
    fp32 = report["accuracy"]["fp32"]
    assert 0.5 < fp32["ap50"] < 1
    for one in CHEAPER:
        assert report["ap50_change"][one] == report["accuracy"][one]["ap50"] - fp32["ap50"]
        assert report["ap_change"][one] == report["accuracy"][one]["ap"] - fp32["ap"]


@pytest.mark.slow
def test_cheaper_precisions_change_something_and_keep_nearly_everything(report):
    for one in CHEAPER:
        assert report["accuracy"][one] != report["accuracy"]["fp32"]
        assert abs(report["ap50_change"][one]) < 0.05
        assert report["fidelity"][one]["fidelity_ap50"] > 0.9


@pytest.mark.slow
def test_ratios_lie_within_their_range(report):
    assert set(report["speed"]) == {"1", "2"}
    for ratios in report["speed"].values():
        assert ratios["fp32_images_per_s"] > 0
        for one in CHEAPER:
            low, high = ratios[one]["range"]
            assert 0 < low <= ratios[one]["ratio"] <= high


@pytest.mark.slow
def test_the_report_says_what_was_measured_and_where(report):
    assert report["model"] == "traffic/1"
    assert len(report["sha256"]) == 64
    assert report["settings"]["images"] == 16
    assert report["machine"]["onnxruntime"]


@pytest.mark.parametrize("places", [("crossroad",), ("crossroad", "arterial"), ("park",)])
def test_what_calibrates_does_not_measure_accuracy(places):
    """Even with as many images as the command line allows."""
    measuring = seeds_of(places, ACCURACY_BLOCK, 480)
    calibrating = seeds_of(places, CALIBRATION_BLOCK, 480)
    assert len(measuring) == len(calibrating) == 480
    assert not set(measuring) & set(calibrating)


@pytest.mark.proof
@pytest.mark.timeout(1200)
def test_many_images_lose_next_to_nothing_in_fewer_bits(tmp_path):
    path = tmp_path / "precision.json"
    assert main(path, PrecisionBenchmark(images=480)) == 0
    report = json.loads(path.read_text(encoding="utf-8"))
    for one in CHEAPER:
        assert abs(report["ap50_change"][one]) < 0.02
        assert report["fidelity"][one]["fidelity_ap50"] > 0.9
