"""int8: the body of a network in 8-bit arithmetic, with ranges measured on calibration pictures.

Static quantisation in the QDQ form, with standard operators: activations uint8 and asymmetric,
weights int8 per output channel. That is the pair that ONNX Runtime has its fast x86 kernels for;
with signed activations the same graph ran slower than fp32. Ranges are the least and greatest
values seen, which lost less accuracy on the built-in models than entropy or percentiles do. It is
for processors: CUDA has no int8 convolutions for it.
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
from onnx import ModelProto, TensorProto

from models.errors import GraphError, PictureError, SessionError
from models.precision.network import copy_with_names, only_used_domains, parts_of

LEAST_PICTURES = 8
"""With fewer the ranges follow the pictures more than the network."""

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
    shape = tuple(one.dim_value for one in model.graph.input[0].type.tensor_type.shape.dim)
    _check_pictures(pictures, shape[1:], name)
    reader = _Reader(model.graph.input[0].name, pictures, max(1, shape[0]))
    with tempfile.TemporaryDirectory(prefix="cityeye-int8-") as folder, _only_errors_logged():
        try:
            quantised = _quantised(named, reader, Path(folder), name)
        except (GraphError, SessionError):
            raise
        except Exception as error:
            raise GraphError(
                name, f"ONNX Runtime cannot quantise it ({error}); keep fp32 or try fp16"
            ) from error
    return _tidied(quantised, model)
