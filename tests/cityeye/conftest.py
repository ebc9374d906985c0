"""Real, tiny model packages to configure with, and a hub that commands find."""

from __future__ import annotations

import hashlib
from pathlib import Path

import onnx
import pytest
import yaml
from onnx import TensorProto, helper

from cityeye.access import CityNote, noted
from cityeye.config import Config, load_config
from models.package import ModelPackage
from tests.event_hub.conftest import running
from tests.models.admitted import as_if_admitted

WIDTH, HEIGHT, OPSET = 96, 64, 17


@pytest.fixture(scope="session")
def packages(tmp_path_factory) -> Path:
    """A folder of packages: traffic/1, traffic/2, crowding/1 and littering/1."""
    root = tmp_path_factory.mktemp("packages")
    for name, version in (("traffic", 1), ("traffic", 2), ("crowding", 1), ("littering", 1)):
        write_package(root / name / str(version))
        as_if_admitted(ModelPackage.load(root / name / str(version)))
    return root


@pytest.fixture
def load_city(tmp_path, packages):
    """Loads a configuration from its text, with the tests' packages."""

    def load(text: str, environment=None) -> Config:
        file = tmp_path / "city.yaml"
        file.write_text(f"{text}models: {{path: {packages}}}\n", encoding="utf-8")
        return load_config(file, environment or {})

    return load


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A hub that runs on this machine and has left its note."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for name in ("CITYEYE_TOKEN", "CITYEYE_TOKEN_FILE"):
        monkeypatch.delenv(name, raising=False)
    environment = {"XDG_CACHE_HOME": str(tmp_path / "cache")}
    with running(tmp_path) as start:
        client = start()
        monkeypatch.setenv("CITYEYE_HUB", client.url)
        with noted(client.url, CityNote(str(tmp_path / "access")), environment):
            yield client


def write_package(folder: Path) -> None:
    folder.mkdir(parents=True)
    graph = average_colour().SerializeToString()
    (folder / "model.onnx").write_bytes(graph)
    (folder / "labels.txt").write_text("car\nperson\n", encoding="utf-8")
    (folder / "CARD.md").write_text(f"# {folder.parent.name}\nFor tests.\n", encoding="utf-8")
    manifest = {
        "name": folder.parent.name,
        "version": folder.name,
        "tasks": [folder.parent.name],
        "input": {"width": WIDTH, "height": HEIGHT},
        "output": {"rows": 1},
        "thresholds": {"default": 0.3},
        "sha256": hashlib.sha256(graph).hexdigest(),
        "opset": OPSET,
        "licence": "MIT",
        "source": {"architecture": "average colour", "training_data": "none"},
    }
    (folder / "model.yaml").write_text(yaml.safe_dump(manifest), encoding="utf-8")


def average_colour() -> onnx.ModelProto:
    """A network of the house contract: one detection, made of the image's mean colour."""
    nodes = [
        helper.make_node("Cast", ["pictures"], ["numbers"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["numbers"], ["mean"], axes=[1, 2], keepdims=0),
        helper.make_node("Unsqueeze", ["mean", "one"], ["row"]),
        helper.make_node("Concat", ["row", "row"], ["detections"], axis=2),
    ]
    images = helper.make_tensor_value_info(
        "pictures", TensorProto.UINT8, ["batch", HEIGHT, WIDTH, 3]
    )
    detections = helper.make_tensor_value_info("detections", TensorProto.FLOAT, ["batch", 1, 6])
    one = helper.make_tensor("one", TensorProto.INT64, [1], [1])
    graph = helper.make_graph(nodes, "average", [images], [detections], [one])
    opset = helper.make_opsetid("", OPSET)
    return helper.make_model(graph, opset_imports=[opset], ir_version=8)
