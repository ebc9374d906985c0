"""A city on a real Ray takes other cameras: a new worker where all are full, and nobody moves."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from models.package import ModelPackage
from pipelines.plan import CameraPlan
from serving.capacity.cost import CostModel, ModelCost, VideoPrice
from serving.capacity.measurement import keep_costs, machine_name
from serving.city import City
from serving.errors import RolloutError
from serving.worker_state import WorkerState
from tests.camera_adapters.clips import TinyClip
from tests.pipelines.delivery.http_receiver import Receiver
from tests.serving.cities import FPS, camera_plan, city_plan
from tests.serving.conftest import RunningCluster
from tests.serving.packages import brightness_package
from tests.serving.test_city import wait_until

pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.fixture
def city(
    running_cluster: RunningCluster, brightness: ModelPackage, tiny_clip: TinyClip, tmp_path: Path
) -> Iterator[City]:
    """A city of the cameras gate and yard in one worker, which is full with them."""
    assert running_cluster.api_port
    receiver = Receiver()
    source = source_of(tiny_clip)
    cameras = {"gate": source, "yard": source}
    one = City(city_plan(cameras, brightness, tmp_path, receiver.url, cameras_per_worker=2))
    yield one
    one.stop()
    receiver.close()


def source_of(clip: TinyClip) -> str:
    return f"{clip.path.as_uri()}?realtime=1&loop=1"


def state(city: City, name: str) -> WorkerState:
    return next(one for one in city.workers() if one.name == name)


def analysed(city: City) -> dict[str, int]:
    """Results of each camera so far, by `worker/camera`."""
    return {
        f"{one.name}/{camera.id}": camera.statistics.analysed
        for one in city.workers()
        for camera in one.cameras
    }


def test_cameras_come_and_go_and_nobody_moves(
    city: City, brightness: ModelPackage, tiny_clip: TinyClip, tmp_path: Path
) -> None:
    def plan(name: str) -> CameraPlan:
        return camera_plan(name, source_of(tiny_clip), brightness)

    wait_until(lambda: min(analysed(city).values(), default=0) > 2, "first results")
    before = analysed(city)
    assert city.apply([plan("park"), plan("yard"), plan("gate")]) == {}
    wait_until(lambda: analysed(city).get("worker-1/park", 0) > 0, "a worker for the new one")
    assert all(analysed(city)[name] >= count for name, count in before.items())
    assert city.apply([plan("yard"), plan("park"), plan("square")]) == {}
    there = {"worker-0/yard", "worker-0/square", "worker-1/park"}
    wait_until(lambda: analysed(city).keys() == there, "the third change")
    assert analysed(city)["worker-0/yard"] >= before["worker-0/yard"]
    assert [one.restarts for one in city.workers()] == [0, 0]
    other = brightness_package(tmp_path / "packages", "other")
    with pytest.raises(RolloutError, match="camera gate: the model other does not run"):
        city.apply([camera_plan("gate", source_of(tiny_clip), other)])
    assert analysed(city).keys() == there


def test_a_camera_too_many_is_refused_with_the_number_that_fits(
    running_cluster: RunningCluster, brightness: ModelPackage, tiny_clip: TinyClip, tmp_path: Path
) -> None:
    def plan(name: str) -> CameraPlan:
        return camera_plan(name, source_of(tiny_clip), brightness)

    assert running_cluster.api_port
    receiver = Receiver()
    wanted = city_plan({"gate": source_of(tiny_clip)}, brightness, tmp_path, receiver.url)
    # Nothing but an inference costs anything: of 1.9 cores 1.85 are there for 18 cameras of 0.1.
    costs = CostModel(
        machine=machine_name(),
        cores=2.0,
        video={"h264": VideoPrice(0, 0, 0), "h265": VideoPrice(0, 0, 0)},
        reading_s=0.0,
        conversions={"1280x720": 0.0},
        frame_s=0.0,
        camera_cores=0.0,
        models={"brightness/1": ModelCost(0.1 / FPS)},
    )
    wanted.delivery.state.mkdir(parents=True)
    keep_costs(wanted.delivery.state, costs)
    said: list[str] = []
    wish = replace(wanted.wish, detector="in_process")
    one = City(replace(wanted, capacity="refuse", wish=wish), said.append)
    try:
        assert any("1 camera needs 0.15 of 2 cores; 17 more like them fit" in line for line in said)
        assert not any("measuring what cameras cost" in line for line in said)
        many = [plan("gate"), *(plan(f"new-{number}") for number in range(20))]
        assert "of the 20 new ones 17 fit" in one.refusal(many)
        with pytest.raises(RolloutError, match="of the 20 new ones 17 fit"):
            one.apply(many)
        assert analysed(one).keys() <= {"worker-0/gate"}
        assert one.refusal(many[:18]) == ""
        assert one.apply([plan("gate"), plan("yard")]) == {}
    finally:
        one.stop()
        receiver.close()
