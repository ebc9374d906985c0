"""Versions on a running city: no frame is lost, no camera has two, nothing broken takes traffic."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import onnx
import psutil
import pytest
from ray import serve

from camera_adapters.geometry import Size
from cityeye.cli import main
from models.package import ModelPackage, sha256_of
from pipelines.group_camera import CameraSnapshot
from serving.city import City
from serving.errors import DirectorError
from tests.camera_adapters.clips import TinyClip
from tests.models.admitted import as_if_admitted
from tests.pipelines.delivery.http_receiver import Receiver
from tests.serving.cities import city_plan
from tests.serving.conftest import RunningCluster
from tests.serving.packages import brightness_package

pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.timeout(300)]

WAIT_S = 120.0
CAMERAS = ("east", "north", "south", "west")
UNDER_WAY = 4
"""Frames of a camera that may be between conversion and result at one moment."""


@dataclass(frozen=True)
class Running:
    city: City
    receiver: Receiver
    folder: Path
    repository: Path
    api: str
    cluster: RunningCluster

    def ask(self, method: str, path: str, body: object = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json"} | self.cluster.auth
        request = urllib.request.Request(self.api + path, data, headers, method=method)
        with urllib.request.urlopen(request, timeout=120) as answer:
            content = answer.read()
        return json.loads(content) if path != "/metrics" else content.decode()

    def change(self, **wanted: object) -> Any:
        return self.ask("POST", "/models/brightness/rollout", wanted)

    def refused(self, **wanted: object) -> str:
        with pytest.raises(urllib.error.HTTPError) as caught:
            self.change(**wanted)
        with caught.value as answer:
            assert answer.code == 409
            return str(json.load(answer)["detail"])

    def cameras(self) -> dict[str, CameraSnapshot]:
        states = self.city.workers()
        return {c.id: c for s in states if s.snapshot for c in s.snapshot.group.cameras}

    def versions(self) -> dict[str, str]:
        return {c.id: c.routes["crowding"].model.version for c in self.cameras().values()}

    def applications(self) -> set[str]:
        return {name for name in serve.status().applications if name.startswith("detector-bright")}

    def wait_for_version(self, camera: str, version: str) -> bool:
        self.wait_until(lambda: self.versions()[camera] == version, f"{version} on {camera}")
        return True

    def wait_until(self, holds: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + WAIT_S
        while not holds():
            assert time.monotonic() < deadline, f"not within {WAIT_S:.0f} s: {what}"
            time.sleep(0.1)


@pytest.fixture(scope="module")
def running(
    running_cluster: RunningCluster, tiny_clip: TinyClip, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("rollout")
    repository = folder / "packages"
    first = brightness_package(repository)
    brightness_package(repository, version="2", size=Size(96, 64), gain=0.9)
    brightness_package(repository, version="3", gain=0.5)
    receiver = Receiver()
    clip = f"{tiny_clip.path.as_uri()}?realtime=1&loop=1"
    plan = city_plan(
        dict.fromkeys(CAMERAS, clip),
        first,
        folder,
        receiver.url,
        cameras_per_worker=2,
        replicas="auto",
    )
    city = City(plan)
    api = f"http://127.0.0.1:{running_cluster.api_port}"
    running = Running(city, receiver, folder, repository, api, running_cluster)
    running.wait_until(
        lambda: (
            all(c.statistics.analysed > 3 for c in running.cameras().values())
            and len(running.cameras()) == len(CAMERAS)
        ),
        "results on every camera",
    )
    yield running
    city.stop()
    receiver.close()


def assert_nothing_was_lost(cameras: dict[str, CameraSnapshot]) -> None:
    for camera in cameras.values():
        statistics, reader = camera.statistics, camera.reader
        (counts,) = statistics.models.values()
        assert statistics.failed == 0, camera.id
        assert sum(counts.values()) == statistics.analysed, "one version for each frame, never two"
        under_way = reader.converted - statistics.analysed
        assert 0 <= under_way <= UNDER_WAY, f"{camera.id}: {under_way} frames are nowhere"


def test_canary_shadow_promote_and_rollback_lose_no_frame(running: Running) -> None:
    table = running.change(canary="2", cameras="50%")
    chosen = set(table["canary"]["cameras"])
    assert len(chosen) == 2
    wanted = {camera: "2" if camera in chosen else "1" for camera in CAMERAS}
    running.wait_until(lambda: running.versions() == wanted, "the canary on half of the cameras")
    assert_nothing_was_lost(running.cameras())

    running.change(shadow="3")
    running.wait_until(
        lambda: all(c.routes["crowding"].shadow for c in running.cameras().values()), "shadows"
    )
    assert running.versions() == wanted, "a shadow changes nobody's version"

    running.ask("POST", "/models/brightness/promote")
    running.wait_until(lambda: set(running.versions().values()) == {"2"}, "the promoted version")
    running.wait_until(
        lambda: running.applications() == {"detector-brightness-2", "detector-brightness-3"},
        "the end of the version that every camera has left",
    )

    table = running.ask("POST", "/models/brightness/rollback")
    assert (table["stable"], table["previous"]) == ("1", "2")
    running.wait_until(lambda: set(running.versions().values()) == {"1"}, "the old version")
    running.change(shadow="none")
    running.wait_until(
        lambda: running.applications() == {"detector-brightness-1"}, "one version alone"
    )
    cameras = running.cameras()
    assert_nothing_was_lost(cameras)
    for camera in cameras.values():
        (counts,) = camera.statistics.models.values()
        assert set(counts) == {"brightness/1", "brightness/2"}, "a shadow never counts"
        assert camera.statistics.reroutes >= 3


def test_a_shadow_is_compared_and_publishes_nothing(running: Running) -> None:
    running.change(shadow="3")
    key = "/models/brightness/comparison?first=1&second=3"

    def compared() -> bool:
        try:
            found = running.ask("GET", key)
        except urllib.error.HTTPError:
            return False
        return len(found["cameras"]) == len(CAMERAS) and found["boxes"]["frames"] > 40

    running.wait_until(compared, "frames seen by both")
    found = running.ask("GET", key)
    assert found["boxes"]["share"] is not None
    assert found["boxes"]["both"] + found["boxes"]["low_confidence_second"] > 0
    assert found["costs"][1]["images"] > 0
    versions = {
        json.loads(delivery.body)["data"].get("model", {}).get("version")
        for delivery in running.receiver.deliveries
    }
    assert "3" not in versions, "a shadow publishes nothing"
    running.change(shadow="none")


def test_a_threshold_changes_without_a_restart(running: Running) -> None:
    before = running.ask("GET", "/models")
    running.change(thresholds={"1": 0.25})
    running.wait_until(
        lambda: (
            {c.routes["crowding"].model.threshold for c in running.cameras().values()} == {0.25}
        ),
        "the new threshold on every camera",
    )
    (model,) = running.ask("GET", "/models")
    assert model["thresholds"] == {"default": 0.25, "classes": {}}
    for camera in running.ask("GET", "/cameras"):
        assert camera["thresholds"] == {"crowding": model["thresholds"]}
    assert model["application"] == before[0]["application"]
    running.change(thresholds={"1": None})
    running.wait_until(
        lambda: (
            {c.routes["crowding"].model.threshold for c in running.cameras().values()} == {0.05}
        ),
        "the package's own threshold",
    )


def wrong_sha(directory: Path) -> None:
    with (directory / "model.onnx").open("ab") as file:
        file.write(b"\0")


def wrong_shape(directory: Path) -> None:
    text = (directory / "model.yaml").read_text("utf-8")
    (directory / "model.yaml").write_text(text.replace("width: 64", "width: 80"), "utf-8")


def crashes_on_load(directory: Path) -> None:
    model = onnx.load(directory / "model.onnx")
    model.graph.node[1].op_type = "NoSuchOperator"
    onnx.save(model, directory / "model.onnx")
    _admit_all_the_same(directory)


def nonsense(directory: Path) -> None:
    other = brightness_package(directory / "elsewhere", gain=0.3)
    (directory / "model.onnx").write_bytes((other.directory / "model.onnx").read_bytes())
    _admit_all_the_same(directory)


def _admit_all_the_same(directory: Path) -> None:
    """A report that lies: the replica itself has to notice."""
    lines = (directory / "model.yaml").read_text("utf-8").splitlines()
    digest = sha256_of(directory / "model.onnx")
    lines = [f"sha256: {digest}" if line.startswith("sha256:") else line for line in lines]
    (directory / "model.yaml").write_text("\n".join(lines) + "\n", "utf-8")
    as_if_admitted(ModelPackage.load(directory))


def unexamined(directory: Path) -> None:
    (directory / "admission.json").unlink()


BROKEN = {
    "11": (wrong_sha, "sha256"),
    "12": (wrong_shape, "UINT8"),
    "13": (crashes_on_load, "NoSuchOperator"),
    "14": (nonsense, "wrong answers to its golden images"),
    "15": (unexamined, "is not admitted: unchecked"),
}


# What is launched does not know its role; `test_rollouts` has both, without Ray.
@pytest.mark.parametrize(
    ("role", "version"),
    [
        *(("canary", version) for version in BROKEN),
        ("shadow", "11"),
        *(pytest.param("shadow", version, marks=pytest.mark.proof) for version in [*BROKEN][1:]),
    ],
)
def test_a_broken_version_never_takes_traffic(running: Running, version: str, role: str) -> None:
    damage, says = BROKEN[version]
    if not (running.repository / "brightness" / version).exists():
        damage(brightness_package(running.repository, version=version).directory)
    before = running.ask("GET", "/models/brightness/rollout")
    wanted = {"canary": version, "cameras": "100%"} if role == "canary" else {"shadow": version}
    sentence = running.refused(**wanted)
    assert says in sentence
    assert "the versions in service stay" in sentence
    assert "\n" not in sentence
    assert running.ask("GET", "/models/brightness/rollout") == before
    assert set(running.versions().values()) == {"1"}
    running.wait_until(
        lambda: running.applications() == {"detector-brightness-1"}, "the stable version alone"
    )


@pytest.mark.parametrize(
    ("wanted", "says"),
    [
        ({"canary": "9", "cameras": "10%"}, "not in the model repository"),
        ({"canary": "2"}, "which cameras"),
        ({"canary": "2", "cameras": "nowhere"}, "no camera nowhere"),
        ({"canary": "1", "cameras": "10%"}, "is the stable one"),
        ({}, "nothing to change"),
    ],
)
def test_a_change_that_means_nothing_is_refused(
    running: Running, wanted: dict[str, str], says: str
) -> None:
    assert says in running.refused(**wanted)


def test_metrics_show_every_version(running: Running) -> None:
    text = running.ask("GET", "/metrics")
    lines = dict(
        line.rsplit(" ", 1) for line in text.splitlines() if line and not line.startswith("#")
    )
    version = 'model="brightness",version="1"'
    label = f'{version},worker="worker-0"'
    assert float(lines[f"cityeye_model_images_total{{{label}}}"]) > 0
    counted = f"cityeye_model_requests_total{{{version}"
    requests = sum(float(value) for name, value in lines.items() if name.startswith(counted))
    assert float(lines[f"cityeye_model_inference_seconds_count{{{version}}}"]) == requests
    assert float(lines[f'cityeye_model_batch_size_bucket{{le="+Inf",{version}}}']) == requests
    with_provider = version.replace("version", 'provider="cpu",version')
    assert lines[f"cityeye_model_provider{{{with_provider}}}"] == "1.0"
    assert lines[f"cityeye_model_up{{{version}}}"] == "1.0"
    assert lines[f"cityeye_model_cameras{{{version}}}"] == "4.0"


def command(running: Running, capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str]:
    token_file = str(running.cluster.token_file)
    status = main(["models", *words, "--api", running.api, "--token-file", token_file])
    output = capsys.readouterr()
    return status, output.out + output.err


def test_an_engineer_does_it_from_the_command_line(
    running: Running, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    status, output = command(
        running, capsys, "rollout", "brightness", "--canary", "2", "--cameras", "north"
    )
    assert status == 0, output
    assert "canary 2 on 1 of 4 cameras (north): north" in output
    assert running.wait_for_version("north", "2")
    status, output = command(running, capsys, "rollback", "brightness")
    assert status == 0, output
    assert "version 1 is stable, before it 2" in output
    back = ("rollback", "brightness", "--to", "2", "--why", "for a look")
    status, output = command(running, capsys, *back)
    assert (status, "version 2 is stable" in output) == (0, True), output
    status, output = command(running, capsys, "rollback", "brightness", "--to", "1")
    assert (status, "version 1 is stable" in output) == (0, True), output
    status, output = command(running, capsys, "ledger", "brightness")
    assert status == 0, output
    newest, before, *_ = output.splitlines()
    assert "rollback  2 -> 1" in newest
    assert before.endswith("by first: for a look")
    status, output = command(
        running, capsys, "compare", "brightness", "1", "3", "--out", str(tmp_path / "images")
    )
    assert status == 0, output
    assert "brightness/1 in service, brightness/3 its shadow" in output
    assert "ms per image on cpu" in output
    status, output = command(running, capsys, "compare", "brightness", "1", "2")
    assert status == 1
    assert "was never a shadow" in output


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("rollout", "brightness", "--canary", "2"), "which cameras"),
        (("rollout", "brightness", "--canary", "two", "--cameras", "5%"), "canary"),
        (("rollout", "brightness", "--threshold", "2"), "VERSION=SCORE"),
        (("rollout", "unknown"), "no rollout of a model 'unknown'"),
        (("promote", "brightness"), "neither a canary nor a shadow"),
    ],
)
def test_a_mistake_at_the_command_line_is_one_sentence(
    running: Running, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], says: str
) -> None:
    status, output = command(running, capsys, *words)
    assert status == 1
    assert says in output
    assert "Traceback" not in output


def test_the_table_outlives_the_city(running: Running) -> None:
    saved = json.loads((running.folder / "state" / "rollouts.json").read_text("utf-8"))
    assert saved["rollouts"]["brightness"]["stable"] == "1"
    assert saved["rollouts"]["brightness"]["previous"] == "2"


def test_a_new_director_takes_over_workers_versions_and_tables(running: Running) -> None:
    running.change(canary="2", cameras="north")
    assert running.wait_for_version("north", "2")
    before = {state.name: state.incarnation for state in running.city.workers()}
    (director,) = [
        process
        for process in psutil.Process().children(recursive=True)
        if process.cmdline() and process.cmdline()[0].startswith("ray::Director")
    ]
    director.kill()
    said = set()

    def answers_again() -> bool:
        try:
            states = running.city.workers()
        except DirectorError as error:
            said.add(str(error))
            return False
        return all(state.current for state in states)

    running.wait_until(answers_again, "a new director that knows all workers")
    # Ray may take seconds to say that it died; until then it only does not answer.
    assert "the director died; a new one takes over" in said
    assert all("has not answered for" in one or "died" in one for one in said), said
    assert {state.name: state.incarnation for state in running.city.workers()} == before
    assert running.versions() == {name: "2" if name == "north" else "1" for name in CAMERAS}
    assert_nothing_was_lost(running.cameras())
    running.wait_until(lambda: running.ask("GET", "/health")["status"] == "ok", "good health")

    running.ask("POST", "/models/brightness/promote")
    running.wait_until(lambda: set(running.versions().values()) == {"2"}, "the promoted version")
    running.wait_until(
        lambda: running.applications() == {"detector-brightness-2"}, "the end of the old version"
    )
    running.ask("POST", "/models/brightness/rollback")
    running.wait_until(lambda: set(running.versions().values()) == {"1"}, "the old version")
    assert_nothing_was_lost(running.cameras())
