"""Machines of a cluster: each with its own costs, and room where there is some."""

from __future__ import annotations

from dataclasses import replace

import pytest

from camera_adapters.geometry import Size
from pipelines.plan import CameraPlan
from serving.capacity.budget import FULL, ReadingCost
from serving.capacity.cluster_budget import ClusterBudget, MeasuredNode
from serving.capacity.cost import BASE_CORES, CostModel, ModelCost
from tests.serving.capacity.costs import COSTS, plan

HD = Size(1280, 720)
READING = 0.06
EACH = READING + 0.001 + 5 * (0.0012 + 0.006)
SLOW_EACH = READING + 0.001 + 5 * (0.0012 + 0.024)
"""Cores of a camera, on a machine whose inferences cost four times as much too."""


def costs(cores: float, inference_s: float = 0.006) -> CostModel:
    return replace(COSTS, cores=cores, models={"traffic/1": ModelCost(inference_s)})


FAST = MeasuredNode("fast", costs(2.0), {"network": "field", "floor": "1"})
SLOW = MeasuredNode("slow", costs(2.0, 0.024), {"network": "field"})


def field(name: str, **labels: str) -> CameraPlan:
    return replace(plan(name), node_labels=labels or {"network": "field"})


def budget(count: int = 60, **nodes: MeasuredNode) -> ClusterBudget:
    readings = {
        f"{kind}-{n}": ReadingCost(READING, HD) for kind in ("old", "new") for n in range(count)
    }
    return ClusterBudget(nodes or {"a": FAST, "b": SLOW}, readings)


def room(each: float) -> int:
    return int((FULL * 2 - BASE_CORES) / each)


def cameras(kind: str, count: int) -> list[CameraPlan]:
    return [field(f"{kind}-{number}") for number in range(count)]


def test_each_machine_is_counted_with_its_own_costs() -> None:
    where = {f"old-{n}": "a" if n < 4 else "b" for n in range(7)}
    state = budget().state(cameras("old", 7), where)
    needed = {name: one.needed_cores for name, one in state.nodes.items()}
    assert needed["fast"] == pytest.approx(BASE_CORES + 4 * EACH, abs=0.002)
    assert needed["slow"] == pytest.approx(BASE_CORES + 3 * SLOW_EACH, abs=0.002)
    assert (state.cores, state.cameras, state.fitting) == (4.0, 7, 7)
    assert state.more == state.nodes["fast"].more + state.nodes["slow"].more
    assert state.nodes["fast"].more == room(EACH) - 4
    assert "; fast: 4 cameras need" in str(state)
    assert "; slow: 3 cameras need" in str(state)


def test_as_many_are_taken_as_all_machines_have_room_for() -> None:
    most = room(EACH) + room(SLOW_EACH)
    assert budget().refusal([], cameras("new", most), {}) == ""
    refusal = budget().refusal([], cameras("new", most + 3), {})
    assert (
        f"no machine of the cluster has room for that: of the {most + 3} new ones {most} fit"
        in refusal
    )
    assert "fast: " in refusal


def test_room_without_the_labels_is_none() -> None:
    wanted = [field(f"new-{n}", network="field", floor="1") for n in range(room(EACH) + 1)]
    assert budget().refusal([], wanted[:-1], {}) == ""
    assert f"of the {len(wanted)} new ones {len(wanted) - 1} fit" in budget().refusal(
        [], wanted, {}
    )
    assert "of the 1 new ones 0 fit" in budget().refusal([], [field("new-0", network="west")], {})


def test_who_runs_on_a_full_machine_stays_and_may_not_ask_for_more() -> None:
    running = cameras("old", room(EACH) + 5)
    where = {plan.camera.id: "a" for plan in running}
    assert budget().refusal(running, running, where) == ""
    assert budget().refusal(running, running[:-1], where) == ""
    assert budget().refusal(running, [*running, field("new-0")], where) == "", "slow has room"
    faster = [replace(plan(running[0].camera.id, fps=25.0), node_labels={"network": "field"})]
    assert "fast has no room for that" in budget().refusal(running, [*faster, *running[1:]], where)


def test_what_is_not_measured_is_named() -> None:
    bare = MeasuredNode("bare", replace(COSTS, models={}), {})
    assert budget(a=FAST, c=bare).unmeasured([field("new-0")]) == ["traffic/1"]


def test_parts_are_of_each_machine() -> None:
    parts = budget().parts(cameras("old", 2))
    assert parts == pytest.approx({"a": 2 * EACH / 2.0, "b": 2 * SLOW_EACH / 2.0})
