"""int8: the body of a network in 8-bit arithmetic, with ranges measured on calibration pictures.

Static quantisation in the QDQ form, with standard operators: activations uint8 and asymmetric,
weights int8 per output channel. That is the pair that ONNX Runtime has its fast x86 kernels for;
with signed activations the same graph ran slower than fp32. Ranges are the least and greatest
values seen, which lost less accuracy on the built-in models than entropy or percentiles do. It is
for processors: CUDA has no int8 convolutions for it.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
from onnx import ModelProto

from models.errors import GraphError, PictureError
from models.precision.network import copy_with_names, finished, parts_of

LEAST_PICTURES = 8
"""With fewer the ranges follow the pictures more than the network."""

OPERATORS = [
    *("Conv", "ConvTranspose", "Gemm", "MatMul"),
    *("Add", "Mul", "Clip", "LeakyRelu", "Relu", "Sigmoid"),
    *("AveragePool", "GlobalAveragePool", "MaxPool", "Resize"),
    *("Concat", "Flatten", "Pad", "Reshape", "Slice", "Split", "Squeeze", "Transpose", "Unsqueeze"),
]
"""What is quantised: layers, and what lies between them."""

_Pictures = npt.NDArray[np.uint8]


def to_int8(
    model: ModelProto, pictures: Sequence[_Pictures] | _Pictures, *, name: str = "to convert"
) -> ModelProto:
    """A copy of a packaged graph whose network computes in 8 bits up to its head.

    Args:
        model: uint8 (N, H, W, 3) to float32 (N, M, 6); so is the copy.
        pictures: At least `LEAST_PICTURES` times (H, W, 3) uint8 RGB of the graph's size, of the
            kind that it will see in service.
        name: Who it is, for errors.

    Raises:
        PictureError: Too few calibration pictures, or they do not fit the graph.
        GraphError: The network has nothing to quantise, or the tool cannot do it.
    """
    named = copy_with_names(model)
    parts_of(named, name)
    batches = _batches(model, pictures, name)
    with tempfile.TemporaryDirectory(prefix="cityeye-int8-") as folder:
        try:
            quantised = _quantised(named, batches, Path(folder), name)
        except GraphError:
            raise
        except Exception as error:
            raise GraphError(
                name, f"ONNX Runtime cannot quantise it ({error}); keep fp32, or try fp16"
            ) from error
    return finished(quantised, model)


def _batches(
    model: ModelProto, pictures: Sequence[_Pictures] | _Pictures, name: str
) -> list[dict[str, _Pictures]]:
    """Calibration pictures as the graph takes them: one by one, or in its fixed batch."""
    value = model.graph.input[0]
    batch, *shape = (one.dim_value for one in value.type.tensor_type.shape.dim)
    for index, picture in enumerate(pictures):
        if picture.dtype != np.uint8 or picture.shape != tuple(shape):
            raise PictureError(
                name,
                f"calibration picture {index} is {picture.dtype} {picture.shape}, must be uint8 "
                f"{tuple(shape)}; letterbox the pictures to the input size",
            )
    if len(pictures) < LEAST_PICTURES:
        raise PictureError(
            name,
            f"{len(pictures)} calibration pictures are too few for int8; give at least "
            f"{LEAST_PICTURES}, better 64, from the cameras that it will serve",
        )
    step = max(1, batch)
    stacked = np.stack([pictures[index] for index in range(len(pictures))])
    filled = np.resize(stacked, (-(-len(stacked) // step) * step, *shape))
    return [{value.name: filled[at : at + step]} for at in range(0, len(filled), step)]


def _quantised(
    model: ModelProto, batches: list[dict[str, _Pictures]], folder: Path, name: str
) -> ModelProto:
    from onnxruntime.quantization import CalibrationMethod, QuantType, quantize_static
    from onnxruntime.quantization.calibrate import CalibrationDataReader
    from onnxruntime.quantization.shape_inference import quant_pre_process

    class Reader(CalibrationDataReader):  # type: ignore[misc]
        """The calibration batches, one after the other."""

        def __init__(self) -> None:
            self._batches = iter(batches)

        def get_next(self) -> dict[str, _Pictures] | None:
            """The next one, None after the last."""
            return next(self._batches, None)

    given, prepared, written = (folder / f"{one}.onnx" for one in ("given", "ready", "int8"))
    onnx.save_model(model, str(given))
    quant_pre_process(str(given), str(prepared), skip_symbolic_shape=True)
    ready = copy_with_names(onnx.load_model(str(prepared)))
    onnx.save_model(ready, str(prepared))
    quantize_static(
        str(prepared),
        str(written),
        Reader(),
        op_types_to_quantize=OPERATORS,
        per_channel=True,
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
        nodes_to_quantize=list(parts_of(ready, name).body),
        calibrate_method=CalibrationMethod.MinMax,
        extra_options={"MatMulConstBOnly": True},
    )
    return onnx.load_model(str(written))
