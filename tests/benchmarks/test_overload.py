"""The loads that are asked for, and what is made of them; runs are stood in for."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import overload, scale
from benchmarks.errors import BenchmarkError
from benchmarks.overload import OverloadBenchmark, run
from benchmarks.scale import ScaleBenchmark, StraightLine, counts_up_to
from benchmarks.street import Load, Street, StreetRun, load_for
from benchmarks.street_report import street_settings

STREET = Street(Path("package"), Path("clip"), 12.5)
MOST = {"cityeye": 100.0, "loop": 80.0}


def measured(name, load, street, seconds):
    """A machine whose contestants reach their most and lose a tenth of it from there on."""
    asked = load_for(name, load, street).per_s
    reached = min(asked, MOST[name] if asked <= MOST[name] else 0.9 * MOST[name])
    rates = (reached / load.cameras,) * load.cameras
    cores, memory = 0.2 + 0.05 * load.cameras, 300.0 + 40 * load.cameras
    return StreetRun(name, load, rates, 50, 90, 120, cores, memory, 0, 0.1, 12.5)


@pytest.fixture
def calls(monkeypatch):
    noted = []

    def measure(name, load, street, seconds):
        noted.append((name, load))
        return measured(name, load, street, seconds)

    monkeypatch.setattr(overload, "measure", measure)
    monkeypatch.setattr(scale, "measure", measure)
    return noted


def benchmark(**given):
    wanted = {"cameras": 16, "rounds": 2, "seconds": 1.0} | given
    return OverloadBenchmark(STREET, ("cityeye", "loop"), **wanted)


def test_the_capacity_is_the_most_that_anybody_reaches_and_loads_are_multiples_of_it(calls):
    result = run(benchmark(factors=(0.5, 1.0, 2.0)), lambda _: None)
    assert result.settings["capacity"] == pytest.approx(90)
    assert calls[:2] == [("cityeye", Load(16, 12.5)), ("loop", Load(16, 12.5))]
    asked = [(name, round(load.per_s)) for name, load in calls[2:8]]
    assert asked == [
        ("cityeye", 45), ("loop", 45), ("cityeye", 90), ("loop", 90),
        ("cityeye", 180), ("loop", 180),
    ]  # fmt: skip
    assert len(calls) == 2 + 2 * 6


def test_a_result_names_package_and_recording_and_no_folder_of_the_machine():
    settings = street_settings(
        Street(
            Path("/srv/packages/traffic/1"),
            Path("/srv/clip.mp4"),
            12.5,
            ultralytics_python="/srv/python",
            ultralytics_model="/srv/yolo.onnx",
        )
    )
    assert (settings["package"], settings["clip"]) == ("traffic/1", "clip.mp4")
    assert settings["ultralytics_model"] == "yolo.onnx"
    assert "/srv" not in str(settings)


def test_the_share_of_the_own_maximum_is_that_at_the_greatest_load(calls):
    result = run(benchmark(factors=(0.5, 1.0, 2.0), capacity=100.0), lambda _: None)
    rows = {row[0]: row[1:] for row in result.tables[1].rows}
    assert rows["cityeye"] == pytest.approx((100, 90, 0.9))
    assert rows["loop"] == pytest.approx((72, 72, 1.0))
    sums = result.metric("overload.inferences_per_s[loop,load=2]")
    assert sums.samples == pytest.approx((72, 72))


def test_cameras_may_grow_instead_of_the_rate(calls):
    run(benchmark(growing="cameras", fps=5.0, capacity=100.0, factors=(0.5, 2.0)), lambda _: None)
    assert {load for _, load in calls} == {Load(10, 5.0), Load(40, 5.0)}


def test_more_than_the_cameras_give_is_refused_with_a_number_that_suffices(calls):
    with pytest.raises(BenchmarkError, match="--cameras 32"):
        run(benchmark(capacity=200.0), lambda _: None)


def test_ultralytics_is_asked_for_the_next_whole_fraction_that_is_not_less():
    for asked, given in ((12.5, 12.5), (7.0, 12.5), (6.25, 6.25), (5.0, 6.25), (4.17, 12.5 / 3)):
        assert load_for("ultralytics", Load(2, asked), STREET).fps == pytest.approx(given)
        assert load_for("loop", Load(2, asked), STREET).fps == asked


def test_the_costs_of_a_camera_are_the_slopes_over_the_numbers_of_cameras(calls):
    wanted = ScaleBenchmark(STREET, ("cityeye",), 5.0, (1, 2, 4), rounds=2)
    result = scale.run(wanted, lambda _: None)
    assert result.metric("scale.cpu_cores_per_camera[cityeye]").samples == pytest.approx(
        (0.05,) * 2
    )
    assert result.metric("scale.pss_mb_per_camera[cityeye]").samples == pytest.approx((40,) * 2)
    by_count = {row[1]: row[2:4] for row in result.tables[1].rows}
    assert by_count == {count: pytest.approx((0.05, 40)) for count in (1, 2, 4)}


@pytest.mark.parametrize(("most", "counts"), [(1, (1,)), (2, (1, 2)), (12, (1, 2, 4, 8, 12))])
def test_numbers_of_cameras_double_up_to_the_last(most, counts):
    assert counts_up_to(most) == counts


def test_a_line_is_the_one_of_least_squares_with_its_error():
    line = StraightLine.through([0, 1, 2, 3], [1.0, 3.0, 5.0, 7.0])
    assert (line.slope, line.base, line.error) == pytest.approx((2, 1, 0))
    # By hand: slope 0.8, rest 1.8 / 2 free over a spread of 5.
    line = StraightLine.through([0, 1, 2, 3], [0.0, 2.0, 1.0, 3.0])
    assert (line.slope, line.base) == pytest.approx((0.8, 0.3))
    assert line.error == pytest.approx((1.8 / 2 / 5) ** 0.5)
    assert StraightLine.through([2, 2], [1.0, 3.0]) == StraightLine(0.0, 2.0, 0.0)
