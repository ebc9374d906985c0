"""What rules measured stands in the lines of a replay, with seconds of the recording."""

from __future__ import annotations

import json
import math
from datetime import timedelta

from camera_adapters import RECORDING_BEGIN
from pipelines.incident import Measurement
from pipelines.replay.lines import step_lines
from pipelines.replay.replay import ReplayStep, RuleStep


def lines_of(value: float) -> list[dict[str, object]]:
    period = RECORDING_BEGIN + timedelta(seconds=2), RECORDING_BEGIN + timedelta(seconds=62.5)
    detail = {"speed_kmh": 31.25, "queue_m": math.inf}
    found = Measurement("traffic.flow", "gate", *period, value, "1/min", "approach", "", detail)
    step = ReplayStep(62.6, None, {}, {}, None, (RuleStep(found, "street/1", "traffic.flow/1"),))
    return [json.loads(line) for line in step_lines(step)]


def test_a_measurement_has_its_period_and_its_finite_numbers():
    assert lines_of(4.0) == [
        {
            "type": "measurement",
            "at_s": 62.6,
            "begins_s": 2.0,
            "ends_s": 62.5,
            "kind": "traffic.flow",
            "value": 4.0,
            "unit": "1/min",
            "zone": "approach",
            "line": "",
            "detail": {"speed_kmh": 31.25},
            "model": "street/1",
            "rule": "traffic.flow/1",
        }
    ]


def test_what_could_not_be_measured_has_no_line():
    assert lines_of(math.nan) == []
