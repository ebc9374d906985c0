"""int8: the body of a network in 8-bit arithmetic, with ranges measured on calibration images.

Static quantisation in the QDQ form, with standard operators: activations uint8 and asymmetric,
weights int8 per output channel. That is the pair that ONNX Runtime has its fast x86 kernels for
(with signed activations the same graph ran slower than fp32); without VNNI instructions its sums
may saturate. It is for processors: CUDA has no int8 convolutions for it.
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
from onnx import ModelProto, TensorProto

from model_tools.precision.network import NetworkParts, copy_with_names, finished, parts_of
from model_tools.precision.ranges import Feed, Range, measured_ranges
from model_tools.precision.sections import Nodes, harmless, sections_of
from models import (
    CPU_PROVIDER,
    ERRORS_ONLY,
    GraphError,
    ImageError,
    ModelError,
    SessionError,
    first_line,
    open_session,
)

LEAST_IMAGES = 8
"""With fewer the ranges follow the images more than the network."""
PROBES = 12
"""Images on which each section is tried."""
OPERATORS = [
    *("Conv", "ConvTranspose", "Gemm", "MatMul"),
    *("Add", "Mul", "Clip", "LeakyRelu", "Relu", "Sigmoid"),
    *("AveragePool", "GlobalAveragePool", "MaxPool", "Resize"),
    *("Concat", "Flatten", "Pad", "Reshape", "Slice", "Split", "Squeeze", "Transpose", "Unsqueeze"),
]
"""What is quantised: layers, and what lies between them."""

_Images = npt.NDArray[np.uint8]


def to_int8(
    model: ModelProto, images: Sequence[_Images] | _Images, *, name: str = "to convert"
) -> ModelProto:
    """A copy of a packaged graph whose network computes in 8 bits up to its head.

    Sections of the network that do not tolerate int8 stay in fp32, as the calibration images show.

    Args:
        model: uint8 (N, H, W, 3) to float32 (N, M, 6); so is the copy.
        images: At least `LEAST_IMAGES` times (H, W, 3) uint8 RGB of the graph's size, of the
            kind that it will see in service.
        name: Who it is, for errors.

    Raises:
        ImageError: Too few calibration images, or they do not fit the graph.
        GraphError: The network has nothing to quantise, or tolerates it nowhere.
        SessionError: ONNX Runtime cannot run it.
    """
    parts_of(copy_with_names(model), name)
    feeds = _feeds(model, images, name)
    try:
        network = _PreparedNetwork.of(_prepared(model, name), feeds, name)
        probes = feeds[:: max(1, len(feeds) // PROBES)][:PROBES]
        reference = _rows(network.model, probes, name)
        kept = harmless(
            sections_of(network.parts),
            reference,
            lambda nodes: _rows(network.lowered(nodes), probes, name),
        )
        chosen = network.lowered(tuple(node for section in kept for node in section))
    except ModelError:
        raise
    except Exception as error:
        raise GraphError(
            name, f"ONNX Runtime cannot quantise it ({error}); keep fp32, or try fp16"
        ) from error
    if not kept:
        raise GraphError(
            name, "8 bits change what it finds wherever they are used; keep fp32, or try fp16"
        )
    return finished(chosen, model)


@dataclass(frozen=True, slots=True)
class _PreparedNetwork:
    """A prepared graph with what is needed to lower any part of its network."""

    model: ModelProto
    parts: NetworkParts
    ranges: dict[str, Range]

    @classmethod
    def of(cls, model: ModelProto, feeds: Sequence[Feed], name: str) -> _PreparedNetwork:
        parts = parts_of(model, name)
        inside = set(parts.body)
        floats = {
            one.name
            for one in model.graph.value_info
            if one.type.tensor_type.elem_type == TensorProto.FLOAT
        }
        tensors = {
            tensor: None
            for node in model.graph.node
            if node.name in inside and node.op_type in OPERATORS
            for tensor in (*node.input, *node.output)
            if tensor in floats
        }
        return cls(model, parts, measured_ranges(model, list(tensors), feeds, name))

    def lowered(self, nodes: Nodes) -> ModelProto:
        """A copy in which these nodes compute in 8 bits."""
        from onnxruntime.quantization import CalibrationMethod, QuantType
        from onnxruntime.quantization.calibrate import TensorData, TensorsData
        from onnxruntime.quantization.qdq_quantizer import QDQQuantizer

        copy = ModelProto()
        copy.CopyFrom(self.model)
        if not nodes:
            return copy
        ranges = {
            tensor: TensorData(lowest=np.float32(low), highest=np.float32(high))
            for tensor, (low, high) in self.ranges.items()
        }
        quantizer = QDQQuantizer(
            copy,
            per_channel=True,
            reduce_range=False,
            weight_qType=QuantType.QInt8,
            activation_qType=QuantType.QUInt8,
            tensors_range=TensorsData(CalibrationMethod.MinMax, ranges),
            nodes_to_quantize=list(nodes),
            nodes_to_exclude=[],
            op_types_to_quantize=OPERATORS,
            extra_options={"MatMulConstBOnly": True},
        )
        with _without_noise():
            quantizer.quantize_model()
        quantizer.model.topological_sort()
        lowered: ModelProto = quantizer.model.model
        return lowered


def _prepared(model: ModelProto, name: str) -> ModelProto:
    """A copy after the optimisations that must come first, with the type of every tensor.

    Raises:
        SessionError: ONNX Runtime refuses the graph.
    """
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.log_severity_level = ERRORS_ONLY
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_BASIC
    with tempfile.TemporaryDirectory(prefix="cityeye-int8-") as folder:
        path = str(Path(folder) / "prepared.onnx")
        options.optimized_model_filepath = path
        try:
            ort.InferenceSession(model.SerializeToString(), options, providers=[CPU_PROVIDER])
        except Exception as error:
            raise SessionError(
                name, f"ONNX Runtime cannot load it ({first_line(error)})"
            ) from error
        return copy_with_names(onnx.shape_inference.infer_shapes(onnx.load_model(path)))


def _is_serious(record: logging.LogRecord) -> bool:
    return record.levelno > logging.WARNING


@contextmanager
def _without_noise() -> Iterator[None]:
    """Drops what the quantisation tool logs on the root logger, about details of the graph."""
    root = logging.getLogger()
    root.addFilter(_is_serious)
    try:
        yield
    finally:
        root.removeFilter(_is_serious)


def _feeds(model: ModelProto, images: Sequence[_Images] | _Images, name: str) -> list[Feed]:
    """Calibration images as the graph takes them: one by one, or in its fixed batch."""
    value = model.graph.input[0]
    batch, *shape = (one.dim_value for one in value.type.tensor_type.shape.dim)
    for index, image in enumerate(images):
        if image.dtype != np.uint8 or image.shape != tuple(shape):
            raise ImageError(
                name,
                f"calibration image {index} is {image.dtype} {image.shape}, must be uint8 "
                f"{tuple(shape)}; letterbox the images to the input size",
            )
    if len(images) < LEAST_IMAGES:
        raise ImageError(
            name,
            f"{len(images)} calibration images are too few for int8; give at least "
            f"{LEAST_IMAGES}, better 64, from the cameras that it will serve",
        )
    step = max(1, batch)
    stacked = np.stack(list(images))
    filled = np.resize(stacked, (-(-len(stacked) // step) * step, *shape))
    return [{value.name: filled[at : at + step]} for at in range(0, len(filled), step)]


def _rows(model: ModelProto, feeds: Sequence[Feed], name: str) -> npt.NDArray[np.float32]:
    session = open_session(name, model.SerializeToString())
    output = model.graph.output[0].name
    return np.concatenate([session.run([output], dict(feed))[0] for feed in feeds])
