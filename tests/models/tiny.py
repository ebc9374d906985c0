"""Tiny random networks of each head family, and the packages made of them."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import yaml
from onnx import ModelProto, TensorProto, helper, numpy_helper

from model_tools.graph.selection import Selection
from model_tools.heads.cityeye import STRIDES
from model_tools.heads.task import HeadTask, each_alone
from model_tools.heads.wrapping import wrap
from model_tools.importing.writing import PackageFacts, write_package
from models.detector import Detector
from models.golden import GoldenSet
from models.package import GOLDEN_FILE, MANIFEST_FILE, ModelPackage, Source, sha256_of

SIZE = (96, 64)
LABELS = ("person", "car", "bus")
QUERIES = 12
OPSET = 17
IR_VERSION = 8


class Patches:
    """One random linear map per stride from each cell's pixels to that cell's predictions."""

    def __init__(self, channels: int, seed: int, gain: float, score_bias: float) -> None:
        rng = np.random.default_rng(seed)
        self.weights: dict[int, npt.NDArray[np.float32]] = {}
        self.biases: dict[int, npt.NDArray[np.float32]] = {}
        for stride in STRIDES:
            spread = gain / stride
            weight = rng.normal(0, spread, (channels, 3, stride, stride))
            bias = rng.normal(0, 0.4, channels)
            bias[4:] += score_bias
            self.weights[stride] = weight.astype(np.float32)
            self.biases[stride] = bias.astype(np.float32)

    def predict(self, planes: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """(N, 3, H, W) → (N, A, channels), computed with numpy alone."""
        maps = []
        for stride in STRIDES:
            count, _, height, width = planes.shape
            cells = planes.reshape(count, 3, height // stride, stride, width // stride, stride)
            found = np.einsum("nchywx,kcyx->nhwk", cells, self.weights[stride])
            maps.append((found + self.biases[stride]).reshape(count, -1, len(self.biases[stride])))
        return np.concatenate(maps, axis=1)

    def nodes(self) -> tuple[list[onnx.NodeProto], list[TensorProto]]:
        """Nodes from `images` to `cells` (N, channels, A)."""
        nodes, constants = [], [numpy_helper.from_array(np.array([0, 0, -1]), "flat")]
        for stride in STRIDES:
            constants.append(numpy_helper.from_array(self.weights[stride], f"w{stride}"))
            constants.append(numpy_helper.from_array(self.biases[stride], f"b{stride}"))
            nodes.append(
                helper.make_node(
                    "Conv",
                    ["images", f"w{stride}", f"b{stride}"],
                    [f"map{stride}"],
                    strides=[stride, stride],
                )
            )
            nodes.append(helper.make_node("Reshape", [f"map{stride}", "flat"], [f"flat{stride}"]))
        flats = [f"flat{stride}" for stride in STRIDES]
        nodes.append(helper.make_node("Concat", flats, ["cells"], axis=2))
        return nodes, constants


def cell_count(size: tuple[int, int] = SIZE) -> int:
    return sum((size[0] // stride) * (size[1] // stride) for stride in STRIDES)


def cityeye_network(patches: Patches, classes: int, batch: str | int = "N") -> ModelProto:
    nodes, constants = patches.nodes()
    nodes.append(helper.make_node("Identity", ["cells"], ["raw"]))
    return _model(
        nodes, constants, batch, {"raw": (TensorProto.FLOAT, [batch, 4 + classes, cell_count()])}
    )


def yolox_network(
    patches: Patches, classes: int, batch: str | int = "N", opset: int = OPSET
) -> ModelProto:
    nodes, constants = patches.nodes()
    constants.append(numpy_helper.from_array(np.array([4, 1 + classes]), "parts"))
    nodes += [
        helper.make_node("Transpose", ["cells"], ["rows"], perm=[0, 2, 1]),
        helper.make_node("Split", ["rows", "parts"], ["boxes", "logits"], axis=2),
        helper.make_node("Sigmoid", ["logits"], ["scores"]),
        helper.make_node("Concat", ["boxes", "scores"], ["raw"], axis=2),
    ]
    outputs = {"raw": (TensorProto.FLOAT, [batch, cell_count(), 5 + classes])}
    return _model(nodes, constants, batch, outputs, opset=opset)


def detr_network(size: tuple[int, int], classes: int, seed: int = 3) -> ModelProto:
    """Means of the image's colours through random maps; wants `orig_target_sizes`."""
    rng = np.random.default_rng(seed)
    weights = {
        "to_logits": rng.normal(0, 2, (3, QUERIES * classes)).astype(np.float32),
        "to_boxes": rng.normal(0, 2, (3, QUERIES * 4)).astype(np.float32),
        "logit_shape": np.array([0, QUERIES, classes]),
        "box_shape": np.array([0, QUERIES, 4]),
        "twice": np.array([1, 1, 2]),
        "one": np.array([1]),
    }
    nodes = [
        helper.make_node("ReduceMean", ["images"], ["means"], axes=[2, 3], keepdims=0),
        helper.make_node("MatMul", ["means", "to_logits"], ["flat_logits"]),
        helper.make_node("Reshape", ["flat_logits", "logit_shape"], ["logits"]),
        helper.make_node("Sigmoid", ["logits"], ["all_scores"]),
        helper.make_node("ReduceMax", ["all_scores"], ["scores"], axes=[2], keepdims=0),
        helper.make_node("ArgMax", ["logits"], ["labels"], axis=2, keepdims=0),
        helper.make_node("MatMul", ["means", "to_boxes"], ["flat_boxes"]),
        helper.make_node("Reshape", ["flat_boxes", "box_shape"], ["raw_boxes"]),
        helper.make_node("Sigmoid", ["raw_boxes"], ["unit_boxes"]),
        helper.make_node("Cast", ["orig_target_sizes"], ["sizes"], to=TensorProto.FLOAT),
        helper.make_node("Unsqueeze", ["sizes", "one"], ["per_query"]),
        helper.make_node("Tile", ["per_query", "twice"], ["scale"]),
        helper.make_node("Mul", ["unit_boxes", "scale"], ["boxes"]),
    ]
    constants = [numpy_helper.from_array(value, name) for name, value in weights.items()]
    sizes = helper.make_tensor_value_info("orig_target_sizes", TensorProto.INT64, ["N", 2])
    outputs: dict[str, tuple[int, list[str | int]]] = {
        "labels": (TensorProto.INT64, ["N", QUERIES]),
        "boxes": (TensorProto.FLOAT, ["N", QUERIES, 4]),
        "scores": (TensorProto.FLOAT, ["N", QUERIES]),
    }
    return _model(nodes, constants, "N", outputs, size=size, more_inputs=[sizes])


def _model(
    nodes: list[onnx.NodeProto],
    constants: list[TensorProto],
    batch: str | int,
    outputs: Mapping[str, tuple[int, Sequence[str | int]]],
    *,
    size: tuple[int, int] = SIZE,
    opset: int = OPSET,
    more_inputs: list[onnx.ValueInfoProto] | None = None,
) -> ModelProto:
    images = helper.make_tensor_value_info(
        "images", TensorProto.FLOAT, [batch, 3, size[1], size[0]]
    )
    graph = helper.make_graph(
        nodes,
        "tiny",
        [images, *(more_inputs or [])],
        [helper.make_tensor_value_info(name, *facts) for name, facts in outputs.items()],
        constants,
    )
    return helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=IR_VERSION
    )


def facts(name: str = "tiny", version: str = "1", max_batch: int = 4) -> PackageFacts:
    return PackageFacts(
        name=name,
        version=version,
        tasks=("traffic",),
        labels=LABELS,
        threshold=0.3,
        licence="none",
        source=Source(architecture="random patches", training_data="none"),
        card="# Tiny\n",
        max_batch=max_batch,
    )


def tiny_package(
    root: Path, name: str = "tiny", version: str = "1", batch: str | int = "N", seed: int = 1
) -> ModelPackage:
    """A complete package around a random network with the built-in head."""
    network = cityeye_network(Patches(4 + len(LABELS), seed, gain=1.0, score_bias=-1.0), 3, batch)
    groups = each_alone(tuple(range(len(LABELS))))
    task = HeadTask(SIZE, len(LABELS), groups, Selection(rows=20))
    return write_package(root, wrap(network, "cityeye", task), SIZE, facts(name, version))


def as_int8(package: ModelPackage) -> ModelPackage:
    """The same graph as `<version>+int8`; it is not converted."""
    directory = package.directory.with_name(f"{package.version}+int8")
    shutil.copytree(package.directory, directory)
    manifest = directory / MANIFEST_FILE
    document = yaml.safe_load(manifest.read_text(encoding="utf-8"))
    document |= {"version": directory.name, "precision": "int8"}
    manifest.write_text(yaml.safe_dump(document), encoding="utf-8")
    return ModelPackage.load(directory)


def random_images(count: int, seed: int = 0) -> npt.NDArray[np.uint8]:
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (count, SIZE[1], SIZE[0], 3), np.uint8)


def with_golden(package: ModelPackage, count: int = 3) -> ModelPackage:
    """The package with golden images in which it found what it finds."""
    wanted = package.manifest.input
    shape = (count, wanted.height, wanted.width, 3)
    images = np.random.default_rng(11).integers(0, 256, shape, np.uint8)
    path = package.directory / GOLDEN_FILE
    GoldenSet(images, Detector(package).run(images)).save(path)
    manifest = package.directory / MANIFEST_FILE
    document = yaml.safe_load(manifest.read_text(encoding="utf-8"))
    document["golden"] = sha256_of(path)
    manifest.write_text(yaml.safe_dump(document), encoding="utf-8")
    return ModelPackage.load(package.directory)
