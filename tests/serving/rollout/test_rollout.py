"""Rollout tables: every change is a new table, and every change that means nothing is refused."""

from __future__ import annotations

import json
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from pipelines.thresholds import NamedThresholds
from serving.errors import RolloutError
from serving.rollout.rollout import Rollout, RolloutChange, changed, promoted, rolled_back
from serving.rollout.rollouts import load_rollouts, save_rollouts

CAMERAS = tuple(f"camera-{number}" for number in range(20))
TABLE = Rollout(model="street", stable="1")


def canary(table: Rollout = TABLE, version: str = "2", cameras: str = "10%") -> Rollout:
    return changed(table, RolloutChange(canary=version, cameras=cameras), CAMERAS)


def of(table: Rollout, version: str) -> set[str]:
    return {camera for camera in CAMERAS if table.version_for(camera) == version}


@pytest.mark.parametrize(("share", "count"), [("5%", 1), ("1%", 1), ("50%", 10), ("100%", 20)])
def test_a_share_is_exact_and_never_nobody(share, count):
    assert len(of(canary(cameras=share), "2")) == count


def test_a_larger_share_includes_the_smaller_one():
    shares = [of(canary(cameras=f"{share}%"), "2") for share in (10, 25, 50, 75, 100)]
    assert all(small < large for small, large in pairwise(shares))


def test_another_model_draws_other_cameras():
    other = Rollout(model="crowd", stable="1")
    assert of(canary(cameras="50%"), "2") != of(canary(other, cameras="50%"), "2")


def test_cameras_that_are_added_later_change_nobody():
    table = canary(cameras="50%")
    assert table.version_for("camera-new") == "1"


def test_named_cameras_are_taken_as_named():
    assert of(canary(cameras="camera-3, camera-7"), "2") == {"camera-3", "camera-7"}


def test_another_canary_keeps_the_cameras():
    table = canary(cameras="camera-3")
    table = changed(table, RolloutChange(canary="3"), CAMERAS)
    assert of(table, "3") == {"camera-3"}


def test_a_shadow_infers_where_it_does_not_count():
    table = changed(canary(cameras="camera-3"), RolloutChange(shadow="2"), CAMERAS)
    assert table.shadow_for("camera-3") == ""
    assert table.shadow_for("camera-4") == "2"
    assert table.versions == ("1", "2")


def test_promotion_takes_the_canary_first_and_can_be_taken_back():
    table = changed(canary(), RolloutChange(shadow="3"), CAMERAS)
    table = promoted(table)
    assert (table.stable, table.previous, table.canary, table.shadow) == ("2", "1", None, "3")
    table = promoted(table)
    assert (table.stable, table.previous, table.shadow) == ("3", "2", "")
    assert rolled_back(table).stable == "2"


def test_rolling_back_takes_the_canary_and_leaves_the_stable_version():
    table = rolled_back(canary())
    assert table == TABLE


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (RolloutChange(), "nothing to change"),
        (RolloutChange(canary="2"), "which cameras"),
        (RolloutChange(cameras="10%"), "cameras without a canary"),
        (RolloutChange(canary="1", cameras="10%"), "a canary is another version"),
        (RolloutChange(shadow="1"), "a shadow is another version"),
        (RolloutChange(canary="2", cameras="0%"), "no share"),
        (RolloutChange(canary="2", cameras="120%"), "no share"),
        (RolloutChange(canary="2", cameras="camera-3,gate"), "no camera gate"),
        (RolloutChange(canary="2", cameras=" , "), "no camera is named"),
    ],
)
def test_a_change_that_means_nothing_is_refused(change, says):
    with pytest.raises(RolloutError, match=says):
        changed(TABLE, change, CAMERAS)


def test_without_cameras_nothing_can_be_a_canary():
    with pytest.raises(RolloutError, match="no camera uses it"):
        changed(TABLE, RolloutChange(canary="2", cameras="10%"), ())


def test_nothing_to_promote_or_to_go_back_to_is_said():
    with pytest.raises(RolloutError, match="neither a canary nor a shadow"):
        promoted(TABLE)
    with pytest.raises(RolloutError, match="no version before 1"):
        rolled_back(TABLE)


def test_any_version_can_be_gone_back_to_at_once():
    table = promoted(changed(TABLE, RolloutChange(shadow="3"), CAMERAS))
    assert (table.stable, table.previous) == ("3", "1")
    table = changed(table, RolloutChange(canary="4", cameras="10%", shadow="2"), CAMERAS)
    back = rolled_back(table, "2")
    assert (back.stable, back.previous, back.canary, back.shadow) == ("2", "3", None, "")
    assert rolled_back(back).stable == "3"
    with pytest.raises(RolloutError, match="version 2 is"):
        rolled_back(back, "2")


@pytest.mark.parametrize("version", ["two", "1.", "../2", "", "1 ", "none2", "1\n"])
def test_what_is_no_version_is_refused(version):
    with pytest.raises(ValidationError):
        RolloutChange(canary=version)


steps = st.lists(
    st.one_of(
        st.builds(
            RolloutChange,
            canary=st.sampled_from(["1", "2", "3", "none", None]),
            cameras=st.sampled_from(["10%", "50%", "camera-1", None]),
            shadow=st.sampled_from(["1", "2", "3", "none", None]),
        ),
        st.sampled_from(["promote", "rollback"]),
    ),
    max_size=12,
)


@given(steps)
def test_whatever_is_done_every_camera_has_one_version_and_no_shadow_of_the_same(wanted):
    table = TABLE
    for step in wanted:
        try:
            if isinstance(step, RolloutChange):
                table = changed(table, step, CAMERAS)
            else:
                table = promoted(table) if step == "promote" else rolled_back(table)
        except RolloutError:
            continue
        assert table.shadow != table.stable
        assert table.canary is None or table.canary.version != table.stable
        for camera in CAMERAS:
            assert table.version_for(camera) in table.versions
            assert table.shadow_for(camera) != table.version_for(camera)
    assert Rollout.model_validate_json(table.model_dump_json()) == table


def test_thresholds_change_one_by_one():
    def after(table: Rollout, wanted: object) -> Rollout:
        return changed(table, RolloutChange.model_validate({"thresholds": {"2": wanted}}), CAMERAS)

    table = after(canary(), 0.5)
    table = after(table, {"classes": {"bin bag": 0.3, "car": 0.6}})
    assert table.thresholds["2"].named == NamedThresholds(0.5, {"bin bag": 0.3, "car": 0.6})
    table = after(table, {"classes": {"Bin_bag": 0.2, "car": None}})
    assert table.thresholds["2"].named == NamedThresholds(0.5, {"Bin_bag": 0.2})
    assert after(table, 0.7).thresholds["2"].named == NamedThresholds(0.7, {"Bin_bag": 0.2})
    assert after(table, None).thresholds == {}


def test_tables_come_back_from_disk(tmp_path):
    assert load_rollouts(tmp_path) == {}
    table = changed(canary(), RolloutChange(thresholds={"2": 0.4}), CAMERAS)
    save_rollouts(tmp_path / "state", {"street": table})
    assert load_rollouts(tmp_path / "state") == {"street": table}


def test_tables_without_a_version_are_read(tmp_path):
    written = {"street": {"model": "street", "stable": "3", "previous": "2", "shadow": "4",
        "canary": {"version": "5", "asked": "10%", "cameras": ["gate"]},
        "thresholds": {"5": 0.4}, "changed_at": "2026-03-04T05:06:07Z"}}  # fmt: skip
    (tmp_path / "rollouts.json").write_text(json.dumps(written))
    tables = load_rollouts(tmp_path)
    assert tables == {"street": Rollout.model_validate_json(json.dumps(written["street"]))}
    save_rollouts(tmp_path, tables)
    assert load_rollouts(tmp_path) == tables


def test_tables_of_a_newer_program_are_left_alone(tmp_path):
    (tmp_path / "rollouts.json").write_text('{"schema_version": 99, "tables": []}')
    with pytest.raises(RolloutError, match=r"schema version 99, this program knows 4"):
        load_rollouts(tmp_path)


def test_a_spoilt_file_is_named_and_not_guessed_around(tmp_path):
    (tmp_path / "rollouts.json").write_text('{"street": {"stable": 1')
    with pytest.raises(RolloutError, match=r"rollouts\.json cannot be read.*remove it"):
        load_rollouts(tmp_path)
