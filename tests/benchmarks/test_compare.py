"""Comparing results: real differences are found, chance is not, and odd pairs are warned of."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.compare import Effect, compare, metric_change
from benchmarks.machine import LoadBefore
from tests.benchmarks.results import GPU, MACHINE, SPEED, result, speed
from tests.e2e.command import cityeye


def scaled_by(factor: float) -> list[float]:
    return [factor * one for one in SPEED]


@pytest.mark.parametrize(
    ("factor", "better", "change"),
    [
        (1.1, "higher", Effect.BETTER),
        (0.9, "higher", Effect.WORSE),
        (1.1, "lower", Effect.WORSE),
        (0.9, "lower", Effect.BETTER),
        (1.001, "higher", Effect.WITHIN_SPREAD),
    ],
)
def test_a_difference_counts_when_it_exceeds_the_spread(factor, better, change):
    found = metric_change(speed(better=better), speed(scaled_by(factor), better=better))
    assert found.change is change
    assert found.percent == pytest.approx(100 * (factor - 1), abs=1e-6)
    assert found.low <= found.percent <= found.high


def test_a_wide_spread_hides_a_difference():
    wide = (60.0, 140.0, 80.0, 120.0, 100.0, 90.0, 110.0)
    assert metric_change(speed(wide), speed(scaled_by(1.1))).change is Effect.WITHIN_SPREAD


def test_chance_is_seldom_called_a_change():
    rng = np.random.default_rng(7)
    found = [
        metric_change(speed(rng.normal(100, 3, 7)), speed(rng.normal(100, 3, 7))).change
        for _ in range(100)
    ]
    assert found.count(Effect.WITHIN_SPREAD) >= 93


def test_few_samples_decide_nothing():
    found = metric_change(speed((100.0, 101.0)), speed((200.0, 201.0)))
    assert found.change is Effect.TOO_FEW
    assert found.percent == pytest.approx(99.5, abs=0.1)


def test_a_metric_that_was_zero_can_be_compared():
    zeros = (0.0,) * 7
    assert metric_change(speed(zeros), speed(zeros)).change is Effect.WITHIN_SPREAD
    assert metric_change(speed(zeros), speed()).change is Effect.BETTER


def test_metrics_that_only_one_has_are_named():
    found = compare(result(speed(), speed(name="old")), result(speed(), speed(name="new")))
    assert [one.before.name for one in found.changes] == ["images_per_s[batch=8]"]
    assert (found.only_before, found.only_after) == (("old",), ("new",))
    assert found.warnings == ()


def test_what_makes_results_incomparable_is_said():
    other = result(
        machine=MACHINE.model_copy(update={"cpu": "Other", "gpus": (GPU,)}),
        load=LoadBefore(load_average=2.0, busy=0.6, stolen=0.0),
        benchmark="serve",
        settings={"rounds": 9},
    )
    warnings = "\n".join(compare(result(), other).warnings)
    for part in ("two benchmarks", "processor", "GPUs", "rounds: 7 and 9", "60% of the cores"):
        assert part in warnings


@pytest.mark.slow
def test_the_command_fails_on_worse_only_when_asked(tmp_path):
    result().write(tmp_path / "a.json")
    result(speed(scaled_by(0.5))).write(tmp_path / "b.json")
    plain = cityeye("bench", "compare", "a.json", "b.json", folder=tmp_path)
    assert plain.status == 0
    assert "-50.0 %" in plain.output
    assert "worse" in plain.output
    strict = ("bench", "compare", "--fail-on-worse")
    assert cityeye(*strict, "a.json", "b.json", folder=tmp_path).status == 1
    assert cityeye(*strict, "b.json", "a.json", folder=tmp_path).status == 0
    (tmp_path / "c.json").write_text("{}", encoding="utf-8")
    broken = cityeye("bench", "compare", "a.json", "c.json", folder=tmp_path)
    assert broken.status == 1
    assert "c.json is no benchmark result" in broken.output
