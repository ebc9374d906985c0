"""Preprocessing inside the graph: from (N, H, W, 3) uint8 RGB to what a network was trained on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from onnx import TensorProto

from models.graph.builder import GraphBuilder

FULL_SCALE = 255.0


@dataclass(frozen=True, slots=True)
class Preprocessing:
    """What a network expects.

    Attributes:
        colour_order: `rgb` or `bgr`.
        scale: Factor on the 0 to 255 values, before mean and deviation.
        mean: Subtracted per channel, in the network's colour order.
        deviation: Divided by per channel, likewise.
        stretch_to: Width and height that the picture is resized to without keeping its aspect;
            None where the network takes the picture as it is.
    """

    colour_order: str = "rgb"
    scale: float = 1.0 / FULL_SCALE
    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    deviation: tuple[float, float, float] = (1.0, 1.0, 1.0)
    stretch_to: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        if self.colour_order not in {"rgb", "bgr"}:
            raise ValueError(f"colour order must be rgb or bgr, not {self.colour_order}")


def add_preprocessing(graph: GraphBuilder, pictures: str, wanted: Preprocessing) -> str:
    """Adds the nodes; returns the (N, 3, h, w) float32 tensor for the network."""
    planes = graph.node("Transpose", pictures, perm=[0, 3, 1, 2])
    if wanted.colour_order == "bgr":
        planes = graph.node("Gather", planes, graph.integers(2, 1, 0), axis=1)
    planes = graph.cast(planes, TensorProto.FLOAT)
    if wanted.stretch_to is not None:
        planes = _stretched(graph, planes, wanted.stretch_to)
    if wanted.scale != 1.0:
        planes = graph.node("Mul", planes, graph.constant(np.array(wanted.scale, np.float32)))
    if any(wanted.mean):
        planes = graph.node("Sub", planes, _per_channel(graph, wanted.mean))
    if wanted.deviation != (1.0, 1.0, 1.0):
        planes = graph.node("Div", planes, _per_channel(graph, wanted.deviation))
    return planes


def _per_channel(graph: GraphBuilder, values: tuple[float, float, float]) -> str:
    return graph.constant(np.array(values, np.float32).reshape(1, 3, 1, 1))


def _stretched(graph: GraphBuilder, planes: str, size: tuple[int, int]) -> str:
    width, height = size
    batch_and_channels = graph.node(
        "Slice", graph.node("Shape", planes), graph.integers(0), graph.integers(2)
    )
    sizes = graph.node("Concat", batch_and_channels, graph.integers(height, width), axis=0)
    return graph.node(
        "Resize", planes, "", "", sizes, mode="linear", coordinate_transformation_mode="half_pixel"
    )
