"""What the control API answers from values of the program."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from pydantic import ValidationError

from pipelines.shadow.agreement import BoxAgreement, IncidentNote, Side
from pipelines.shadow.comparison_state import ComparisonState, load_state, save_state
from serving.api.answers import ApiAnswer, camera_answer
from serving.api.health import health_answer
from serving.api.rollouts import comparison_answer, rollout_answer
from serving.rollout.rollout import Canary, Rollout
from serving.rollout.rollouts import RolloutState
from serving.rollout.warm import WarmVersion
from tests.serving.workers import main_stream, online_camera, worker_state

START = datetime(2026, 5, 4, 8, 0, tzinfo=UTC)
BOXES = BoxAgreement(
    frames=9, both=3, low_confidence_first=1, only_second=2, iou_sum=2.5, score_sum=-0.3
)


def note(side: Side, name: str, begin_s: float) -> IncidentNote:
    begin = START + timedelta(seconds=begin_s)
    end = begin + timedelta(seconds=5)
    return IncidentNote(side, name, "gate", "traffic.congestion", "road", "low", begin, end, "")


STATE = ComparisonState(
    "gate",
    "traffic",
    "traffic/1",
    "traffic/2",
    since=START,
    until=START,
    boxes=BOXES,
    unseen=4,
    notes=(note("first", "a", 0), note("second", "b", 3), note("second", "c", 300)),
)


class Both(ApiAnswer):
    left: int
    right: int = 7


def test_a_given_field_wins_then_the_first_source_then_the_default():
    class Left:
        left, right = 1, 2

    class Right:
        right = 3

    assert Both.of(Left(), Right()) == Both(left=1, right=2)
    assert Both.of(Right(), Left()) == Both(left=1, right=3)
    assert Both.of(Right(), left=5) == Both(left=5, right=3)
    assert Both.of(left=5) == Both(left=5, right=7)
    with pytest.raises(ValidationError, match="left"):
        Both.of(Right())


def test_a_comparison_in_sum_and_by_camera():
    answer = json.loads(
        comparison_answer("traffic/1", "traffic/2", [STATE, STATE], {}).model_dump_json()
    )
    assert answer["boxes"] == {
        "frames": 18,
        "both": 6,
        "low_confidence_first": 2,
        "low_confidence_second": 0,
        "only_first": 0,
        "only_second": 4,
        "share": 0.5,
        "mean_iou": 0.8333,
        "mean_score_difference": -0.1,
    }
    assert (answer["incidents_both"], answer["only_first"], answer["only_second"]) == (2, 0, 2)
    assert answer["unseen"] == 8
    camera = answer["cameras"][0]
    assert (camera["camera"], camera["task"], camera["fault"]) == ("gate", "traffic", "")
    assert (camera["incidents_first"], camera["incidents_second"]) == (1, 2)
    assert [(one["side"], one["id"]) for one in camera["only"]] == [("second", "c")]
    assert camera["only"][0]["opened_at"] == "2026-05-04T08:05:00Z"
    assert [one["inference_ms_per_image"] for one in answer["costs"]] == [None, None]


def test_a_rollout_table_with_what_is_being_done():
    table = Rollout(
        model="traffic", stable="1", canary=Canary(version="2", asked="10%", cameras=())
    )
    warm, absent = WarmVersion("0", datetime(2026, 5, 4, 8, tzinfo=UTC)), {"traffic/4": "no"}
    state = RolloutState(table, ("gate", "yard"), "starting traffic/2", ("3",), warm, absent)
    answer = json.loads(rollout_answer(state).model_dump_json())
    assert answer == {
        **json.loads(table.model_dump_json()),
        "cameras": ["gate", "yard"],
        "under_way": "starting traffic/2",
        "leaving": ["3"],
        "warm": {"version": "0", "until": "2026-05-04T08:00:00Z"},
        "absent": {"traffic/4": "no"},
    }


def test_a_comparison_kept_by_an_earlier_version_goes_on(tmp_path):
    path = tmp_path / "state.json"
    save_state(path, STATE)
    text = path.read_text("utf-8").replace("low_confidence_", "weak_").replace("iou_", "overlap_")
    assert "weak_first" in text
    path.write_text(text, "utf-8")
    assert load_state(path) == STATE


def test_a_camera_says_of_which_stream_its_keyframes_are():
    one = camera_answer("worker-0", online_camera("gate", main=main_stream()))
    assert one.main_stream is not None
    assert one.main_stream.model_dump() == {
        "fault": "",
        "image": "1920x1080",
        "kept_bytes": 5_000_000,
        "reconnects": 2,
        "keyframes": 3,
        "missed": 1,
    }
    assert camera_answer("worker-0", online_camera("gate")).main_stream is None


def test_health_names_a_camera_whose_keyframes_are_of_its_smaller_stream():
    state = worker_state("gate", "yard")
    assert health_answer([state], [], [], {}).problems == ()
    assert state.snapshot is not None
    gate = online_camera("gate", main=main_stream("no image for 8 s"))
    yard = online_camera("yard", main=main_stream())
    group = replace(state.snapshot.group, cameras=(gate, yard))
    state = replace(state, snapshot=replace(state.snapshot, group=group))
    health = health_answer([state], [], [], {})
    assert health.problems == (
        "camera gate: keyframes are of its smaller stream, as of its main stream it is said: "
        "no image for 8 s",
    )
    assert (health.status, health.cameras_online) == ("degraded", 2)
