"""Which worker gets a new camera: none that stays ever moves."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from camera_adapters.geometry import Size
from camera_adapters.spec import CameraSpec
from pipelines.camera_group import Slots
from pipelines.delivery.stores.folder import FolderSettings
from pipelines.delivery.stores.registry import KeyframeSettings
from pipelines.plan import CameraPlan, ModelRef, TaskPlan
from serving.city_plan import CityPlan, DeliveryPlan, shares

MODEL = ModelRef("traffic", "1", Size(64, 48), ("car",), 0.3)


def camera(name: str) -> CameraPlan:
    spec = CameraSpec(name, "rtsp://camera/live", rates={"traffic": 5.0})
    return CameraPlan(spec, (TaskPlan("traffic", MODEL, 5.0, ()),))


def city(names: str, most: int = 2) -> CityPlan:
    keyframes = KeyframeSettings(folder=FolderSettings(Path("keyframes")))
    delivery = DeliveryPlan(keyframes, (), Path("state"))
    cameras = tuple(map(camera, names))
    return CityPlan(cameras, (), delivery, slots=Slots(4, 1), cameras_per_worker=most)


def assigned(plan: CityPlan) -> dict[str, str]:
    return {share.name: "".join(one.camera.id for one in share.cameras) for share in shares(plan)}


def labelled(name: str) -> CameraPlan:
    """A camera whose name, `a1` for example, begins with the network that it is in."""
    return replace(camera(name), node_labels={"network": name[0]})


def test_cameras_of_one_worker_can_be_reached_from_the_same_machines() -> None:
    plan = replace(city(""), cameras=tuple(map(labelled, ("a1", "b1", "a2", "b2", "a3"))))
    assert assigned(plan) == {"worker-0": "a1a2", "worker-1": "a3", "worker-2": "b1b2"}
    more = [*plan.cameras, labelled("b3"), labelled("a4"), camera("c")]
    assert assigned(plan.with_cameras(more)) == {
        "worker-0": "a1a2",
        "worker-1": "a3a4",
        "worker-2": "b1b2",
        "worker-3": "b3",
        "worker-4": "c",
    }
    assert [share.node_labels for share in shares(plan)] == [
        {"network": "a"}, {"network": "a"}, {"network": "b"},
    ]  # fmt: skip


def test_a_city_begins_in_the_order_of_its_file() -> None:
    assert assigned(city("abcde")) == {"worker-0": "ab", "worker-1": "cd", "worker-2": "e"}


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ("abcde", {"worker-0": "ab", "worker-1": "cd", "worker-2": "e"}),
        ("edcba", {"worker-0": "ab", "worker-1": "cd", "worker-2": "e"}),
        ("abcdef", {"worker-0": "ab", "worker-1": "cd", "worker-2": "ef"}),
        ("xbcde", {"worker-0": "bx", "worker-1": "cd", "worker-2": "e"}),
        ("abcdefg", {"worker-0": "ab", "worker-1": "cd", "worker-2": "ef", "worker-3": "g"}),
        ("cde", {"worker-0": "", "worker-1": "cd", "worker-2": "e"}),
        ("", {"worker-0": "", "worker-1": "", "worker-2": ""}),
    ],
)
def test_new_cameras_go_to_the_smallest_worker_or_to_a_new_one(
    names: str, expected: dict[str, str]
) -> None:
    assert assigned(city("abcde").with_cameras([camera(name) for name in names])) == expected


def test_a_changed_camera_is_the_new_one_where_the_old_one_was() -> None:
    plan = city("abc")
    new = replace(camera("c"), camera=replace(camera("c").camera, source="rtsp://other/live"))
    changed = plan.with_cameras([camera("a"), camera("b"), new])
    (share,) = (one for one in shares(changed) if one.name == "worker-1")
    assert share.cameras == (new,)
    assert all(one.slots.count >= 1 for one in shares(plan.with_cameras([])))


@given(steps=st.lists(st.sets(st.sampled_from("abcdefghij")), max_size=6), most=st.integers(1, 4))
def test_whatever_comes_and_goes_none_moves_and_every_camera_has_one_worker(
    steps: list[set[str]], most: int
) -> None:
    plan = city("abc", most)
    for names in steps:
        before = {name: worker for worker, own in assigned(plan).items() for name in own}
        plan = plan.with_cameras([camera(name) for name in sorted(names)])
        after = {name: worker for worker, own in assigned(plan).items() for name in own}
        assert after.keys() == names
        assert all(after[name] == before[name] for name in names & before.keys())
        assert all(len(own) <= most for own in assigned(plan).values())
