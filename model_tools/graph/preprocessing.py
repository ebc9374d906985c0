"""Preprocessing inside the graph: from (N, H, W, 3) uint8 RGB to what a network was trained on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from onnx import TensorProto

from model_tools.graph.builder import GraphBuilder
from model_tools.graph.placement import ImageSize, NetworkPlacement
from models import Fit

FULL_SCALE = 255.0
GREY = 114.0
"""The padding of both letterboxing families, as Ultralytics and YOLOX have it."""

ColourOrder = Literal["rgb", "bgr"]


@dataclass(frozen=True, slots=True)
class Preprocessing:
    """What a network expects.

    Attributes:
        colour_order: Order of its channels.
        scale: Factor on the 0 to 255 values, before mean and deviation.
        mean: Subtracted per channel, in the network's colour order.
        deviation: Divided by per channel, likewise.
        fit: How an image of another size is brought to the network's.
        centred: Whether a letterboxed image lies in the middle, or in the upper left corner.
        padding: Value of 0 to 255 beside a letterboxed image.
    """

    colour_order: ColourOrder = "rgb"
    scale: float = 1.0 / FULL_SCALE
    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    deviation: tuple[float, float, float] = (1.0, 1.0, 1.0)
    fit: Fit = "stretch"
    centred: bool = True
    padding: float = GREY

    def __post_init__(self) -> None:
        if self.colour_order not in {"rgb", "bgr"}:
            raise ValueError(f"colour order must be rgb or bgr, not {self.colour_order}")
        if 0.0 in self.deviation:
            raise ValueError("a deviation of 0 cannot be divided by")

    def place(self, package: ImageSize, network: ImageSize) -> NetworkPlacement:
        """Where a package's image goes in the network's."""
        if self.fit == "stretch":
            return NetworkPlacement(package, network, content=network)
        return NetworkPlacement.letterboxed(package, network, centred=self.centred)

    def description(self, placement: NetworkPlacement) -> str:
        """One line for manifest and card."""
        parts = [self.colour_order.upper()]
        if not placement.is_identity:
            package, network = ("{}x{}".format(*s) for s in (placement.package, placement.network))
            parts.append(f"{self.fit} {package} to {network}")
            if self.fit == "letterbox":
                where = "centred" if self.centred else "in the upper left corner"
                parts.append(f"{where}, padding {self.padding:g}")
        values = {1.0: "values 0 to 255", 1.0 / FULL_SCALE: "values 0 to 1"}
        parts.append(values.get(self.scale, f"values × {self.scale:g}"))
        if any(self.mean) or self.deviation != (1.0, 1.0, 1.0):
            parts.append(f"minus {_list(self.mean)}, divided by {_list(self.deviation)}")
        return ", ".join(parts)


def add_preprocessing(
    graph: GraphBuilder, images: str, wanted: Preprocessing, placement: NetworkPlacement
) -> str:
    """Adds the nodes; returns the (N, 3, h, w) float32 tensor for the network."""
    planes = graph.node("Transpose", images, perm=[0, 3, 1, 2])
    if wanted.colour_order == "bgr":
        planes = graph.node("Gather", planes, graph.integers(2, 1, 0), axis=1)
    planes = graph.cast(planes, TensorProto.FLOAT)
    if placement.content != placement.package:
        planes = _resized(graph, planes, placement.content)
    if any(placement.padding):
        left, top, right, bottom = placement.padding
        edges = graph.integers(0, 0, top, left, 0, 0, bottom, right)
        planes = graph.node("Pad", planes, edges, graph.number(wanted.padding), mode="constant")
    if wanted.scale != 1.0:
        planes = graph.node("Mul", planes, graph.number(wanted.scale))
    if any(wanted.mean):
        planes = graph.node("Sub", planes, _per_channel(graph, wanted.mean))
    if wanted.deviation != (1.0, 1.0, 1.0):
        planes = graph.node("Div", planes, _per_channel(graph, wanted.deviation))
    return planes


def add_way_back(graph: GraphBuilder, boxes: str, placement: NetworkPlacement) -> str:
    """Boxes (N, M, 4) in the network's pixels → in the package's, cut off at its borders."""
    if placement.left or placement.top:
        origin = np.array([placement.left, placement.top] * 2, np.float32)
        boxes = graph.node("Sub", boxes, graph.constant(origin))
    if placement.scale != (1.0, 1.0):
        boxes = graph.node("Div", boxes, graph.constant(np.array(placement.scale * 2, np.float32)))
    return add_clipping(graph, boxes, placement.package)


def add_clipping(graph: GraphBuilder, boxes: str, size: ImageSize) -> str:
    """Boxes (N, A, 4) cut off at the image's borders; `size` is width and height."""
    far = graph.constant(np.array(size * 2, np.float32))
    return graph.node("Min", graph.node("Max", boxes, graph.number(0.0)), far)


def _per_channel(graph: GraphBuilder, values: tuple[float, float, float]) -> str:
    return graph.constant(np.array(values, np.float32).reshape(1, 3, 1, 1))


def _resized(graph: GraphBuilder, planes: str, size: ImageSize) -> str:
    width, height = size
    batch_and_channels = graph.node(
        "Slice", graph.node("Shape", planes), graph.integers(0), graph.integers(2)
    )
    sizes = graph.node("Concat", batch_and_channels, graph.integers(height, width), axis=0)
    return graph.node(
        "Resize", planes, "", "", sizes, mode="linear", coordinate_transformation_mode="half_pixel"
    )


def _list(values: tuple[float, ...]) -> str:
    return "(" + ", ".join(f"{value:g}" for value in values) + ")"
