"""The repository over the control API of a running city: list, show, import, examine."""

from __future__ import annotations

import json
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from cityeye.cli import main
from serving.city import City
from tests.camera_adapters.clips import TinyClip
from tests.models.tiny import LABELS, Patches, yolox_network
from tests.pipelines.delivery.http_receiver import Receiver
from tests.serving.cities import city_plan
from tests.serving.conftest import RunningCluster
from tests.serving.packages import brightness_package

pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.timeout(300)]


@dataclass(frozen=True)
class Running:
    repository: Path
    api: str
    auth: dict[str, str]

    def ask(self, method: str, path: str, body: bytes | None = None, **query: str) -> Any:
        url = f"{self.api}{path}?{urllib.parse.urlencode(query)}"
        headers = {"Content-Type": "application/octet-stream"} | self.auth
        request = urllib.request.Request(url, body, headers, method=method)
        with urllib.request.urlopen(request, timeout=200) as answer:
            return json.load(answer)

    def refused(self, method: str, path: str, body: bytes | None = None, **query: str) -> Any:
        with pytest.raises(urllib.error.HTTPError) as caught:
            self.ask(method, path, body, **query)
        with caught.value as answer:
            return answer.code, str(json.load(answer)["detail"])


@pytest.fixture(scope="module")
def running(
    running_cluster: RunningCluster, tiny_clip: TinyClip, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("versions")
    first = brightness_package(folder / "packages")
    (brightness_package(folder / "packages", version="2").directory / "admission.json").unlink()
    receiver = Receiver()
    clip = f"{tiny_clip.path.as_uri()}?realtime=1&loop=1"
    city = City(city_plan({"gate": clip}, first, folder, receiver.url))
    api = f"http://127.0.0.1:{running_cluster.api_port}"
    yield Running(folder / "packages", api, running_cluster.auth)
    city.stop()
    receiver.close()


def test_versions_are_listed_with_their_admission(running: Running) -> None:
    assert running.ask("GET", "/repository")["brightness"] == ["1", "2"]
    one, two = running.ask("GET", "/models/brightness/versions")
    assert (one["version"], one["admitted"], one["problem"]) == ("1", True, "")
    assert (two["version"], two["admitted"]) == ("2", False)
    assert "unchecked" in two["problem"]
    assert running.refused("GET", "/models/nobody/versions")[0] == 404


def test_a_version_is_shown_whole(running: Running) -> None:
    found = running.ask("GET", "/models/brightness/versions/1")
    assert found["manifest"]["sha256"]
    assert found["card"].startswith("# Mean brightness")
    assert found["admission"]["passed"] is True
    assert running.refused("GET", "/models/brightness/versions/9")[0] == 404


def test_an_upload_becomes_an_admitted_version(running: Running) -> None:
    patches = Patches(8, seed=9, gain=0.008, score_bias=0.3)
    network = yolox_network(patches, len(LABELS)).SerializeToString()
    found = running.ask(
        "POST", "/models/street/versions", network, labels=",".join(LABELS), tasks="crowding"
    )
    assert (found["name"], found["version"], found["admitted"]) == ("street", "1", True)
    assert found["manifest"]["source"]["head"] == "yolox"
    assert (running.repository / "street" / "1" / "admission.json").is_file()


def test_the_command_uploads_a_package_with_what_it_says_of_itself(
    running: Running,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CITYEYE_TOKEN", running.auth["Authorization"].removeprefix("Bearer "))
    package = brightness_package(tmp_path, version="4").directory
    manifest = yaml.safe_load((package / "model.yaml").read_text())
    manifest["thresholds"] = {"default": 0.25, "classes": {"person": 0.35}}
    (package / "model.yaml").write_text(yaml.safe_dump(manifest))
    words = ("models", "upload", str(package), "--name", "bright", "--api", running.api)
    assert main(list(words)) == 0
    said = capsys.readouterr().out
    assert "bright/1 is in the repository of the city" in said
    assert "thresholds     0.25; person 0.35" in said
    assert "admission      passed" in said
    assert "examining" in said or " …" in said
    found = running.ask("GET", "/models/bright/versions/1")
    assert (found["admitted"], found["labels"]) == (True, ["person"])
    assert found["manifest"]["licence"] == manifest["licence"]

    junk = tmp_path / "junk.onnx"
    junk.write_bytes(b"not a network" * 10)
    assert main(["models", "upload", str(junk), "--name", "junk", "--api", running.api]) == 1
    assert "junk" in capsys.readouterr().err
    monkeypatch.setenv("CITYEYE_TOKEN", "unknown")
    assert main(list(words)) == 1
    assert "does not know this token" in capsys.readouterr().err


def test_an_upload_that_is_no_network_is_refused_and_leaves_nothing(running: Running) -> None:
    code, says = running.refused("POST", "/models/junk/versions", b"not a network" * 10)
    assert code == 422
    assert "junk" in says
    assert not (running.repository / "junk").exists()
    code, says = running.refused("POST", "/models/junk/versions", b"x", head="nonsense")
    assert code == 422


def test_a_version_is_examined_on_request(running: Running) -> None:
    (running.repository / "brightness" / "2" / "admission.json").unlink(missing_ok=True)
    report = running.ask("POST", "/models/brightness/versions/2/check")
    assert report["model"] == "brightness/2"
    assert report["passed"] is True, report["reason"]
    assert running.ask("GET", "/models/brightness/versions")[1]["admitted"] is True


def test_every_route_is_described(running: Running) -> None:
    described = running.ask("GET", "/openapi.json")["paths"]
    for path in (
        "/rollouts",
        "/models/{name}/rollout",
        "/models/{name}/promote",
        "/models/{name}/rollback",
        "/models/{name}/comparison",
        "/models/{name}/versions",
        "/models/{name}/versions/{version}",
        "/models/{name}/versions/{version}/check",
        "/metrics",
    ):
        for operation in described[path].values():
            assert operation["summary"], path
