"""A city whose workers run the models themselves: health, API and rollouts as with Ray Serve."""

from __future__ import annotations

import json
import os
import signal
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
import psutil
import pytest
from ray import serve

from camera_adapters.geometry import Size
from models.package import ModelPackage, sha256_of
from pipelines.group_camera import CameraSnapshot
from serving.city import City
from serving.errors import ServingError
from serving.placement import placed_plan
from tests.camera_adapters.clips import TinyClip
from tests.models.admitted import as_if_admitted
from tests.pipelines.delivery.http_receiver import Receiver
from tests.serving.cities import city_plan
from tests.serving.conftest import RunningCluster
from tests.serving.packages import brightness_package

pytestmark = [pytest.mark.integration, pytest.mark.ray, pytest.mark.slow, pytest.mark.timeout(300)]

WAIT_S = 120.0
NAME = "inside"
CAMERAS = ("east", "west")


@dataclass(frozen=True)
class Running:
    city: City
    api: str
    repository: Path
    auth: dict[str, str]

    def ask(self, path: str, body: object = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json"} | self.auth
        request = urllib.request.Request(self.api + path, data, headers)
        with urllib.request.urlopen(request, timeout=120) as answer:
            return json.load(answer)

    def change(self, **wanted: object) -> Any:
        return self.ask(f"/models/{NAME}/rollout", wanted)

    def cameras(self) -> dict[str, CameraSnapshot]:
        states = self.city.workers()
        return {c.id: c for s in states if s.snapshot for c in s.snapshot.group.cameras}

    def versions(self) -> dict[str, str]:
        return {c.id: c.routes["crowding"].model.version for c in self.cameras().values()}

    def models(self) -> dict[str, dict[str, Any]]:
        return {model["version"]: model for model in self.ask("/models")}

    def wait_until(self, holds: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + WAIT_S
        while not holds():
            assert time.monotonic() < deadline, f"not within {WAIT_S:.0f} s: {what}"
            time.sleep(0.1)


@pytest.fixture(scope="module")
def running(
    running_cluster: RunningCluster, tiny_clip: TinyClip, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("in-process")
    repository = folder / "packages"
    first = brightness_package(repository, NAME)
    brightness_package(repository, NAME, version="2", size=Size(96, 64), gain=0.9)
    brightness_package(repository, NAME, version="3", gain=0.5)
    receiver = Receiver()
    clip = f"{tiny_clip.path.as_uri()}?realtime=1&loop=1"
    sources = dict.fromkeys(CAMERAS, clip)
    city = City(city_plan(sources, first, folder, receiver.url, detector="in_process"))
    api = f"http://127.0.0.1:{running_cluster.api_port}"
    running = Running(city, api, repository, running_cluster.auth)
    running.wait_until(
        lambda: sum(c.statistics.analysed > 3 for c in running.cameras().values()) == len(CAMERAS),
        "results on every camera",
    )
    yield running
    city.stop()
    receiver.close()


def test_health_and_models_are_those_of_the_workers(running: Running) -> None:
    running.wait_until(lambda: running.ask("/health")["status"] == "ok", "health")
    (model,) = running.ask("/models")
    assert (model["status"], model["provider"], model["role"]) == ("RUNNING", "cpu", "stable")
    assert model["replicas"] == 0
    assert model["application"] == ""
    assert set(model["cameras"]) == set(CAMERAS)
    assert model["images"] > 0
    assert not any(NAME in application for application in serve.status().applications)


def test_one_image_goes_through_the_graph_that_serves_the_cameras(running: Running) -> None:
    white = cv2.imencode(".png", np.full((96, 128, 3), 255, np.uint8))[1].tobytes()
    headers = {"Content-Type": "image/jpeg"} | running.auth
    request = urllib.request.Request(f"{running.api}/models/{NAME}/detect", white, headers)
    with urllib.request.urlopen(request, timeout=60) as answer:
        (found,) = json.load(answer)["detections"]
    assert found["score"] == pytest.approx(1.0, abs=1e-3)


def test_canary_shadow_promote_and_rollback_lose_no_frame(running: Running) -> None:
    running.change(canary="2", cameras="east")
    running.wait_until(lambda: running.versions() == {"east": "2", "west": "1"}, "the canary")
    running.change(shadow="3")
    key = f"/models/{NAME}/comparison?first=1&second=3"

    def compared() -> bool:
        try:
            return bool(running.ask(key)["boxes"]["frames"] > 5)
        except urllib.error.HTTPError:
            return False

    running.wait_until(compared, "frames that both versions inferred")
    assert {v: model["role"] for v, model in running.models().items()} == {
        "1": "stable",
        "2": "canary",
        "3": "shadow",
    }
    running.ask(f"/models/{NAME}/promote", {})
    running.wait_until(lambda: set(running.versions().values()) == {"2"}, "the promoted version")
    running.wait_until(lambda: set(running.models()) == {"2", "3"}, "the end of version 1")
    table = running.ask(f"/models/{NAME}/rollback", {})
    assert (table["stable"], table["previous"]) == ("1", "2")
    running.wait_until(lambda: set(running.versions().values()) == {"1"}, "the old version")
    running.change(shadow="none")
    running.wait_until(lambda: set(running.models()) == {"1"}, "one version alone")
    for camera in running.cameras().values():
        (counts,) = camera.statistics.models.values()
        assert camera.statistics.failed == 0
        assert set(counts) == {f"{NAME}/1", f"{NAME}/2"}, "a shadow never counts"
        assert sum(counts.values()) == camera.statistics.analysed


def fail_to_load(directory: Path) -> None:
    model = onnx.load(directory / "model.onnx")
    model.graph.node[1].op_type = "NoSuchOperator"
    onnx.save(model, directory / "model.onnx")


def give_nonsense(directory: Path) -> None:
    other = brightness_package(directory / "elsewhere", NAME, gain=0.3)
    (directory / "model.onnx").write_bytes((other.directory / "model.onnx").read_bytes())


@pytest.mark.parametrize(
    ("version", "damage", "says"),
    [
        ("8", fail_to_load, "NoSuchOperator"),
        ("9", give_nonsense, "wrong answers to its golden images"),
    ],
)
def test_a_broken_version_never_gets_a_frame(
    running: Running, version: str, damage: Callable[[Path], None], says: str
) -> None:
    directory = brightness_package(running.repository, NAME, version=version).directory
    damage(directory)
    digest = sha256_of(directory / "model.onnx")
    lines = (directory / "model.yaml").read_text("utf-8").splitlines()
    lines = [f"sha256: {digest}" if line.startswith("sha256:") else line for line in lines]
    (directory / "model.yaml").write_text("\n".join(lines) + "\n", "utf-8")
    as_if_admitted(ModelPackage.load(directory))
    with pytest.raises(urllib.error.HTTPError) as caught:
        running.change(canary=version, cameras="100%")
    with caught.value as answer:
        assert answer.code == 409
        sentence = str(json.load(answer)["detail"])
    assert says in sentence
    assert "the versions in service stay" in sentence
    assert set(running.versions().values()) == {"1"}
    assert set(running.models()) == {"1"}


def test_a_new_worker_loads_the_version_that_is_in_service_now(running: Running) -> None:
    running.change(canary="2", cameras="east")
    running.wait_until(lambda: running.versions()["east"] == "2", "the canary")
    victim = next(
        process
        for process in psutil.Process().children(recursive=True)
        if "ray::CameraWorker" in " ".join(process.cmdline())
        and any("worker-0" in file.path for file in process.open_files())
    )
    before = running.city.workers()[0].restarts
    os.kill(victim.pid, signal.SIGKILL)
    running.wait_until(lambda: running.city.workers()[0].restarts > before, "a replacement")

    def works() -> bool:
        state = running.city.workers()[0]
        (camera,) = state.snapshot.group.cameras if state.snapshot else (None,)
        return bool(state.alive and camera and camera.statistics.models["crowding"])

    running.wait_until(works, "results of the new worker")
    east = running.cameras()["east"].statistics
    assert set(east.models["crowding"]) == {f"{NAME}/2"}
    assert east.failed == 0
    running.ask(f"/models/{NAME}/rollback", {})
    running.wait_until(lambda: set(running.versions().values()) == {"1"}, "the stable version")


@pytest.mark.usefixtures("running_cluster")
def test_a_city_does_not_start_on_a_broken_model(tmp_path: Path) -> None:
    package = brightness_package(tmp_path, NAME)
    plan = city_plan({"gate": "file:///none.mp4"}, package, tmp_path, "http://127.0.0.1:9/")
    (package.directory / "model.onnx").write_bytes(b"not a model")
    with pytest.raises(ServingError, match=r"model inside 1 cannot be served.*sha256") as caught:
        placed_plan(plan, print)
    assert "\n" not in str(caught.value)
