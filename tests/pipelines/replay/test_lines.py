"""What rules measured stands in the lines of a replay, with seconds of the recording."""

from __future__ import annotations

import json
import math
from datetime import timedelta

from camera_adapters import RECORDING_BEGIN
from pipelines.incident import Measurement
from pipelines.replay.lines import step_lines
from pipelines.replay.replay import ReplayStep, RuleStep


def test_a_measurement_has_its_period_and_its_finite_values():
    period = RECORDING_BEGIN + timedelta(seconds=2), RECORDING_BEGIN + timedelta(seconds=62.5)
    values = {"speed_kmh": 31.25, "vehicles": 4.0, "queue_m": math.inf}
    found = Measurement("traffic.flow", "gate", "approach", *period, values)
    step = ReplayStep(62.6, None, {}, {}, None, (RuleStep(found, "street/1", "traffic.flow/1"),))
    (line,) = step_lines(step)
    assert json.loads(line) == {
        "type": "measurement",
        "at_s": 62.6,
        "begins_s": 2.0,
        "ends_s": 62.5,
        "kind": "traffic.flow",
        "zone": "approach",
        "values": {"speed_kmh": 31.25, "vehicles": 4.0},
        "model": "street/1",
        "rule": "traffic.flow/1",
    }
