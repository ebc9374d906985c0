"""A zone's traffic is counted and measured right, whatever happens to track ids."""

from __future__ import annotations

import itertools
import json
from collections import defaultdict

import pytest

from pipelines.incident import EndReason
from pipelines.rules import RULES, build_rule, min_fps
from pipelines.rules.rule_plan import RulePlan
from pipelines.tracker import CameraTracker
from tests.pipelines.rules.roads import ROAD, parked_row, queue, red_lights, stream
from tests.pipelines.synthetic import (
    LABELS,
    LETTERBOX,
    MONO_START_S,
    Flaws,
    Thing,
    View,
    World,
    moment,
    moving,
    times,
)

VIEW = View()
NONE = Flaws()
NEAR = ((-4, 14), (4, 14), (4, 24), (-4, 24))
FAR = ((-4, 26), (4, 26), (4, 40), (-4, 40))


def rule(*corners, calibrated=True):
    zones = tuple(
        VIEW.zone(*ground, calibrated=calibrated, name=name)
        for ground, name in zip(corners or (ROAD,), ("near", "far"), strict=False)
    )
    return build_rule(RulePlan("traffic.zone_traffic", zones), "cam-1", "e1")


def measured(things, until_s, own=None, fps=4.0, flaws=NONE, start_s=0.0, gap=(0.0, 0.0)):
    """Measurements by zone and kind, in order of time, behind the real tracker."""
    own = own or rule()
    world, tracker = World(things, flaws=flaws), CameraTracker(LABELS, itertools.count(1), fps)
    found = []
    t = start_s
    for t in times(until_s, fps, start_s=start_s):
        if gap[0] <= t < gap[1]:
            continue
        detections, _ = world.detections(t)
        tracks = tracker.update(detections, LETTERBOX, MONO_START_S + t)
        found += own.observe(tracks, moment(t)).measurements
    found += own.close(EndReason.SHUTDOWN, moment(t)).measurements
    by_place = defaultdict(list)
    for one in found:
        by_place[one.zone, one.kind].append(one)
    return by_place


@pytest.mark.parametrize("fps", [2.0, 4.0])
@pytest.mark.parametrize("flaws", [NONE, Flaws(jitter=0.02, recall=0.9)])
def test_every_vehicle_passes_each_zone_once_at_its_speed(fps, flaws):
    things = stream(9.0, 45.0, 0, 130)
    found = measured(things, 121, rule(NEAR, FAR), fps, flaws)
    for zone in ("near", "far"):
        first, second, _ = found[zone, "traffic.flow"]
        # Two lanes, one vehicle in 5 s on each of them.
        few = fps < 3 and flaws is not NONE
        assert second.value == pytest.approx(24, abs=3 if few else 1)
        # Of the first minute the begin is missing: whoever was about to leave.
        assert first.detail["vehicles"] == pytest.approx(24, abs=4 if few else 2)
        assert first.unit == "1/min"
        for speed in found[zone, "traffic.speed"]:
            assert speed.unit == "km/h"
            assert speed.value == pytest.approx(9.0 * 3.6, rel=0.06)
        # One vehicle, two abreast, for as long as the zone is.
        length_m = {"near": 10.0, "far": 14.0}[zone]
        occupied = found[zone, "traffic.occupancy"][1]
        assert occupied.value == pytest.approx(length_m / 45.0, abs=0.08)
        assert occupied.detail["mean_vehicles"] == pytest.approx(2 * length_m / 45.0, abs=0.16)


def test_who_stops_in_the_zone_passes_once_and_is_the_queue_meanwhile():
    found = measured(red_lights(1, red_s=60, rows=4), 119, fps=3.0)
    first, second = found["near", "traffic.flow"]
    assert first.detail["vehicles"] + second.detail["vehicles"] == 8
    waiting, _ = found["near", "traffic.queue"]
    assert (waiting.value, waiting.unit) == (8, "1")
    assert waiting.detail["queue_m"] == pytest.approx(26, abs=4)
    assert found["near", "traffic.speed"][0].value < 12


def test_a_vehicle_that_comes_back_under_another_id_goes_on():
    hidden = {0: lambda t: 2.5 < t < 5.4}
    car = [Thing("car", moving(0, 62, 0, -6.0))]
    found = measured(car, 59, flaws=Flaws(hidden=hidden))
    (flow,) = found["near", "traffic.flow"]
    assert flow.detail["vehicles"] == 1


def test_what_never_moves_is_in_no_number():
    (flow,) = measured(parked_row(4, x=2.0), 59)["near", "traffic.flow"]
    assert flow.value == 0
    found = measured(parked_row(4, x=2.0), 59)
    assert found["near", "traffic.occupancy"][0].value == 0
    assert found["near", "traffic.queue"][0].value == 0
    assert ("near", "traffic.speed") not in found


def test_persons_and_things_are_no_vehicles_of_it():
    others = [Thing(label, moving(0, 50, 0, -6.0)) for label in ("bag", "person")]
    found = measured(others, 59)
    assert found["near", "traffic.flow"][0].value == 0


def test_a_minute_with_a_gap_says_what_was_watched_and_counts_per_watched_minute():
    found = measured(stream(9.0, 45.0, 0, 130), 119, gap=(60.0, 90.0))
    whole, half = found["near", "traffic.flow"]
    assert whole.detail["watched_s"] == pytest.approx(60, abs=1)
    assert half.detail["watched_s"] == pytest.approx(30, abs=2)
    assert half.detail["vehicles"] == pytest.approx(12, abs=4)
    assert half.value == pytest.approx(whole.value, rel=0.3)


def test_without_calibration_speed_is_a_share_of_what_was_learned_and_outlives_a_restart():
    first = rule(calibrated=False)
    fast = measured(stream(12.0, 36.0, 0, 120), 119, first)
    free = fast["near", "traffic.speed"][-1]
    assert (free.unit, free.value) == ("1", pytest.approx(0.95, abs=0.12))
    assert "queue_m" not in fast["near", "traffic.queue"][0].detail
    kept = json.loads(json.dumps(first.remember(moment(119))))
    again = rule(calibrated=False)
    again.recall(kept, 5.0, moment(130))
    slow = measured(stream(4.0, 24.0, 130, 250), 239, again, start_s=130.0)
    assert slow["near", "traffic.speed"][-1].value == pytest.approx(0.33, abs=0.1)


def test_it_explains_itself_and_says_that_it_only_measures():
    own = rule()
    measured(queue(3, begins_s=5, green_s=99, every_s=1), 20, own)
    (said,) = own.explain(moment(20))
    assert (said.holds, said.note) == (None, "it only measures: 6 vehicles")


def test_two_frames_per_second_are_enough_and_fewer_are_refused():
    kind = RULES["traffic.zone_traffic"]
    assert 1.5 < min_fps(kind, kind.Parameters()) < 2.0
