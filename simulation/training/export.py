"""Export: a trained network becomes a packaged graph, with batch norm and scaling folded in."""

from __future__ import annotations

import copy
import io
import warnings

import onnx
import torch
from onnx import ModelProto

from model_tools.graph import FULL_SCALE, Preprocessing, Selection
from model_tools.heads import HeadTask, WrappedGraph, each_alone, wrap
from simulation.training.network import Network

OPSET = 17


def export(
    network: Network, size: tuple[int, int], kept: tuple[int, ...], selection: Selection
) -> WrappedGraph:
    """Wraps the kept classes of a network for images of `size` (width, height)."""
    narrowed = network.narrowed(kept).eval()
    with torch.no_grad():
        # The graph then feeds 0 to 255 straight in and saves a pass over the image.
        narrowed.stem[0][0].weight.div_(FULL_SCALE)
    groups = each_alone(tuple(range(len(kept))))
    task = HeadTask(size=size, classes=len(kept), groups=groups, selection=selection)
    return wrap(to_onnx(narrowed, size), "cityeye", task, Preprocessing(scale=1.0))


def to_onnx(network: Network, size: tuple[int, int]) -> ModelProto:
    """The bare network: float32 (N, 3, H, W) → (N, 4 + C, A)."""
    width, height = size
    stream = io.BytesIO()
    with warnings.catch_warnings():
        # The graph is plain convolutions; the older exporter needs no further dependency.
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.onnx.export(
            copy.deepcopy(network).eval().to(memory_format=torch.contiguous_format),
            (torch.zeros(1, 3, height, width),),
            stream,
            dynamo=False,
            opset_version=OPSET,
            input_names=["images"],
            output_names=["raw"],
            dynamic_axes={"images": {0: "N"}, "raw": {0: "N"}},
        )
    return onnx.load_model_from_string(stream.getvalue())
