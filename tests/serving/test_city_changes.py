"""A city on a real Ray takes other cameras: a new worker where all are full, and nobody moves."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from models.package import ModelPackage
from pipelines.plan import CameraPlan
from serving.city import City
from serving.errors import RolloutError
from serving.worker_state import WorkerState
from tests.camera_adapters.clips import TinyClip
from tests.pipelines.delivery.http_receiver import Receiver
from tests.serving.cities import camera_plan, city_plan
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
