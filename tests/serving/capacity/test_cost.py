"""The cost model adds up what was measured, and says what was not."""

from __future__ import annotations

from dataclasses import replace

import pytest

from camera_adapters.geometry import Size
from camera_adapters.video_trial import VideoCost
from pipelines.plan import AdaptiveFps, ModelRef, TaskPlan
from serving.capacity.cost import Analysis, ModelCost, StreamShape, VideoPrice
from tests.serving.capacity.costs import COSTS, TRAFFIC, plan

HD = StreamShape(Size(1280, 720), 10.0, megabits_per_s=2.0)


def test_a_camera_costs_the_sum_of_its_parts():
    cost = COSTS.camera(HD, Analysis(5.0, {"traffic/1": 5.0}))
    reading = 10 * (0.0001 + 0.0004 * 0.9216 + 0.001 * 0.2 + 0.0001)
    assert COSTS.reading_cores(HD) == pytest.approx(reading)
    assert cost.cores == pytest.approx(reading + 0.001 + 5 * (0.001 + 0.0002) + 5 * 0.006)
    assert cost.gpu == 0


def test_an_inference_on_a_gpu_takes_its_time_and_little_of_the_host():
    costs = replace(COSTS, models={"traffic/1": ModelCost(0.0001, 1 / 8000)})
    cost = costs.camera(HD, Analysis(5.0, {"traffic/1": 5.0}))
    assert cost.gpu == pytest.approx(5 / 8000)
    assert cost.cores < COSTS.camera(HD, Analysis(5.0, {"traffic/1": 5.0})).cores


def test_tasks_of_one_version_share_its_inferences():
    one = plan("a", 5.0)
    crowd = TaskPlan("crowding", TRAFFIC, 2.0, ())
    other = TaskPlan("littering", ModelRef("litter", "3", Size(640, 384), ("bag",), 0.4), 4.0, ())
    found = Analysis.of(replace(one, tasks=(*one.tasks, crowd, other)))
    assert found == Analysis(5.0, {"traffic/1": 5.0, "litter/3": 4.0})
    assert COSTS.missing(found.inferences) == ["litter/3"]


def test_a_camera_is_counted_at_the_most_that_its_scene_may_ask_for():
    (task,) = plan("a", 5.0).tasks
    busy = replace(task, adaptive=AdaptiveFps(idle=1.0, near=10.0))
    assert Analysis.of(replace(plan("a", 5.0), tasks=(busy,))) == Analysis(
        10.0, {"traffic/1": 10.0}
    )


def test_the_price_goes_through_all_three_clips():
    price = VideoPrice(0.0002, 0.0007, 0.003)

    def clip(megapixels: float, megabits: float) -> VideoCost:
        cost = price.of(megapixels, megabits)
        return VideoCost(megapixels, megabits, 0.2 * cost, 0.8 * cost)

    found = VideoPrice.through(clip(0.06, 0.01), clip(0.9, 0.1), clip(0.9, 0.5))
    assert found.image_s == pytest.approx(price.image_s)
    assert found.megapixel_s == pytest.approx(price.megapixel_s)
    assert found.megabit_s == pytest.approx(price.megabit_s)


def test_no_part_of_a_price_is_below_nothing():
    small, large, noisy = (
        VideoCost(0.06, 0.01, 0.0, 0.001),
        VideoCost(0.9, 0.1, 0.0, 0.0009),
        VideoCost(0.9, 0.5, 0.0, 0.0008),
    )
    found = VideoPrice.through(small, large, noisy)
    assert min(found.image_s, found.megapixel_s, found.megabit_s) >= 0


@pytest.mark.parametrize(
    ("size", "seconds"),
    [
        (Size(1280, 720), 0.0002),
        (Size(960, 540), 0.0002),
        (Size(320, 180), 0.0001),
        (Size(3840, 2160), 0.004),
    ],
)
def test_a_size_that_was_not_measured_costs_what_the_next_larger_one_does(size, seconds):
    assert COSTS.conversion_s(size) == pytest.approx(seconds)


def test_a_bit_rate_that_is_not_known_is_what_is_usual():
    assert StreamShape(Size(1920, 1080), 25.0).megabits == pytest.approx(4 / 25)
    assert StreamShape(Size(1920, 1080), 25.0, megabits_per_s=8.0).megabits == pytest.approx(8 / 25)
