"""A tiny real model whose answer is known: one box, its score the mean brightness of the image.

Its score tells which image a row came from, so tests can see whether rows were mixed up.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import yaml
from onnx import TensorProto, helper, numpy_helper

from camera_adapters.geometry import Size
from models.golden import GoldenSet
from models.package import ModelPackage, sha256_of
from tests.models.admitted import as_if_admitted

SIZE = Size(64, 48)

BOX = (8.0, 8.0, 40.0, 32.0)
OPSET = 17


def brightness_package(
    root: Path,
    name: str = "brightness",
    version: str = "1",
    label: str = "person",
    *,
    size: Size = SIZE,
    gain: float = 1.0,
) -> ModelPackage:
    """Writes the package under `root` and loads it; `gain` is a factor on every score."""
    directory = root / name / version
    directory.mkdir(parents=True)
    onnx.save_model(_graph(size, gain), str(directory / "model.onnx"))
    grey = np.array([64, 192], np.uint8)[:, None, None, None]
    images = np.broadcast_to(grey, (2, size.height, size.width, 3))
    rows = [[[*BOX, gain * value / 255, 0.0]] for value in (64, 192)]
    GoldenSet(np.ascontiguousarray(images), np.array(rows, np.float32)).save(
        directory / "golden.npz"
    )
    (directory / "labels.txt").write_text(f"{label}\n", encoding="utf-8")
    (directory / "CARD.md").write_text("# Mean brightness, for tests\n", encoding="utf-8")
    manifest = {
        "name": name,
        "version": version,
        "tasks": ["crowding"],
        "input": {"width": size.width, "height": size.height},
        "output": {"rows": 1},
        "thresholds": {"default": 0.05},
        "sha256": sha256_of(directory / "model.onnx"),
        "golden": sha256_of(directory / "golden.npz"),
        "opset": OPSET,
        "licence": "none",
        "source": {"architecture": "mean", "training_data": "none"},
    }
    (directory / "model.yaml").write_text(yaml.safe_dump(manifest), encoding="utf-8")
    return as_if_admitted(ModelPackage.load(directory))


def _graph(size: Size, gain: float) -> onnx.ModelProto:
    box = numpy_helper.from_array(np.array([[[*BOX]]], np.float32), "box")
    zero = numpy_helper.from_array(np.zeros((1, 1, 1), np.float32), "class")
    full = numpy_helper.from_array(np.array(255.0 / gain, np.float32), "full")
    nodes = [
        helper.make_node("Cast", ["pictures"], ["values"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["values"], ["mean"], axes=[1, 2, 3], keepdims=0),
        helper.make_node("Div", ["mean", "full"], ["score"]),
        helper.make_node("Unsqueeze", ["score", "one_two"], ["scores"]),
        helper.make_node("Mul", ["scores", "no"], ["nothing"]),
        helper.make_node("Add", ["box", "nothing"], ["boxes"]),
        helper.make_node("Add", ["class", "nothing"], ["classes"]),
        helper.make_node("Concat", ["boxes", "scores", "classes"], ["detections"], axis=2),
    ]
    one_two = numpy_helper.from_array(np.array([1, 2], np.int64), "one_two")
    no = numpy_helper.from_array(np.array(0.0, np.float32), "no")
    graph = helper.make_graph(
        nodes,
        "brightness",
        [
            helper.make_tensor_value_info(
                "pictures", TensorProto.UINT8, ["N", size.height, size.width, 3]
            )
        ],
        [helper.make_tensor_value_info("detections", TensorProto.FLOAT, ["N", 1, 6])],
        [box, zero, full, one_two, no],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=8)
