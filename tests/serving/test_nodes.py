"""Where workers go in a cluster: what runs stays, what has no place gets the freest machine."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from serving.nodes import CameraNode, PlacedShare, places

HERE = CameraNode("a", "head", 4.0, labels={"network": "north"})
SMALL = CameraNode("b", "small", 2.0, labels={"network": "south"})
LARGE = CameraNode("c", "large", 8.0, labels={"network": "south", "floor": "2"})


def test_shares_go_where_the_cores_are() -> None:
    shares = {f"worker-{number}": PlacedShare(4, {}) for number in range(7)}
    found = [*places(shares, (HERE, SMALL, LARGE)).values()]
    assert {name: found.count(name) for name in "abc"} == {"a": 2, "b": 1, "c": 4}


def test_what_has_a_node_that_lives_never_moves() -> None:
    full = {f"worker-{number}": PlacedShare(8, {}, "b") for number in range(3)}
    assert places(full, (HERE, SMALL, LARGE)) == dict.fromkeys(full, "b")


def test_what_lost_its_node_goes_elsewhere_and_the_others_stay() -> None:
    shares = {"worker-0": PlacedShare(8, {}, "a"), "worker-1": PlacedShare(8, {}, "gone")}
    assert places(shares, (HERE, LARGE)) == {"worker-0": "a", "worker-1": "c"}


def test_labels_decide_before_room_does() -> None:
    south = PlacedShare(50, {"network": "south"}, "c")
    shares = {
        "worker-0": south,
        "worker-1": PlacedShare(1, {"network": "north"}),
        "worker-2": PlacedShare(1, {"network": "south", "floor": "2"}),
        "worker-3": PlacedShare(1, {"network": "west"}),
        "worker-4": PlacedShare(1, {"network": "south"}),
    }
    assert places(shares, (HERE, SMALL, LARGE)) == {
        "worker-0": "c", "worker-1": "a", "worker-2": "c", "worker-3": None, "worker-4": "b",
    }  # fmt: skip


def test_cameras_of_a_gpu_go_where_one_is() -> None:
    gpu = CameraNode("d", "gpu", 1.0, gpus=1.0)
    shares = {
        "worker-0": PlacedShare(4, {}, decodes_on_gpu=True),
        "worker-1": PlacedShare(4, {}, decodes_on_gpu=True),
        "worker-2": PlacedShare(4, {}),
    }
    found = places(shares, (HERE, gpu))
    assert (found["worker-0"], found["worker-1"], found["worker-2"]) == ("d", "d", "a")
    assert set(places(shares, (HERE,)).values()) == {"a"}, "its cameras say that there is none"


@given(st.lists(st.tuples(st.integers(1, 9), st.sampled_from(["", "a", "b", "gone"])), max_size=20))
def test_each_share_has_exactly_one_living_node(drawn: list[tuple[int, str]]) -> None:
    shares = {f"worker-{i}": PlacedShare(size, {}, node) for i, (size, node) in enumerate(drawn)}
    found = places(shares, (HERE, SMALL))
    assert found.keys() == shares.keys()
    assert set(found.values()) <= {"a", "b"}
    at_home = {name: share.node for name, share in shares.items() if share.node in ("a", "b")}
    assert at_home.items() <= found.items()


def test_without_machines_nothing_has_a_place() -> None:
    assert places({"worker-0": PlacedShare(1, {}, "a")}, ()) == {"worker-0": None}


def test_what_was_measured_counts_more_than_cores() -> None:
    parts = {"b": 0.1, "c": 0.4}
    shares = {f"worker-{n}": PlacedShare(4, {}, parts=parts) for n in range(5)}
    found = [*places(shares, (SMALL, LARGE)).values()]
    assert (found.count("b"), found.count("c")) == (4, 1), "few cores, of which a camera needs less"
