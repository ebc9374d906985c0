"""What cameras cost is measured on each machine of a cluster: once per kind, by a task there."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from models.package import ModelPackage
from serving.capacity.measurement import NODES_FILE, machine_name
from serving.city_plan import CityPlan
from serving.cluster_capacity import ClusterCapacity
from serving.node_costs import NodeCosts
from serving.nodes import living_nodes
from tests.camera_adapters.clips import TinyClip
from tests.serving.cities import city_plan
from tests.serving.conftest import RunningCluster
from tests.serving.packages import brightness_package

pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.timeout(300)]

LIMIT_S = 120.0


def plan_of(clip: TinyClip, package: ModelPackage, folder: Path) -> CityPlan:
    source = f"{clip.path.as_uri()}?realtime=1&loop=1"
    plan = city_plan(
        {"gate": source}, package, folder, "http://127.0.0.1:9/", detector="in_process"
    )
    return replace(plan, detector="in_process", on_all_nodes=True, capacity="refuse")


def test_a_kind_of_machine_is_measured_once_and_kept(
    running_cluster: RunningCluster, brightness: ModelPackage, tiny_clip: TinyClip, tmp_path: Path
) -> None:
    assert running_cluster.api_port
    plan = plan_of(tiny_clip, brightness, tmp_path)
    assert plan.measures_nodes
    (node,) = living_nodes().values()
    said: list[str] = []
    first = NodeCosts(plan)
    assert first.why_not([node]) == f"what cameras cost on {node.name} is not known yet"
    first.measure([node], LIMIT_S, said.append)
    costs = first.of(node)
    assert costs is not None
    assert first.why_not([node]) == ""
    assert (costs.machine, costs.cores) == (machine_name(), node.cores)
    assert costs.models["brightness/1"].core_s > 0
    assert said == [f"measuring what cameras cost on {node.name} ({machine_name()})"]
    again = NodeCosts(plan)
    again.measure([node], LIMIT_S, said.append)
    assert again.of(node) == costs
    assert len(said) == 1
    capacity = ClusterCapacity(plan, [node])
    assert str(capacity.state(plan.cameras)).count("camera needs") == 2, (
        "of all, and of the machine"
    )
    assert capacity.parts(plan.cameras).keys() == {node.id}


def test_what_cannot_be_measured_is_said_and_nothing_is_refused(
    running_cluster: RunningCluster, tiny_clip: TinyClip, tmp_path: Path
) -> None:
    assert running_cluster.api_port
    package = brightness_package(tmp_path / "packages", "gone")
    plan = plan_of(tiny_clip, package, tmp_path)
    shutil.rmtree(package.directory)
    (node,) = living_nodes().values()
    said: list[str] = []
    capacity = ClusterCapacity(plan, [node], LIMIT_S, said.append)
    assert said[-1].endswith("; no camera will be refused")
    assert "costs could not be measured" in str(capacity.state(plan.cameras))
    assert capacity.refusal((), plan.cameras * 1000) == ""
    assert capacity.parts(plan.cameras) == {}
    assert not (plan.delivery.state / NODES_FILE).exists()
