"""Tiny random networks of more head families than `tiny` has, as their exporters write them."""

from __future__ import annotations

import numpy as np
from onnx import ModelProto, TensorProto, helper

from model_tools.graph.builder import GraphBuilder
from model_tools.graph.exported import grid
from model_tools.heads.cityeye import STRIDES
from tests.models.tiny import IR_VERSION, OPSET, QUERIES, SIZE, Patches, cell_count

NetworkSize = tuple[int, int]


class Drawing:
    """A graph in the making that starts with random patches of its images."""

    def __init__(
        self,
        channels: int,
        seed: int,
        size: NetworkSize = SIZE,
        gain: float = 1.5,
        score_bias: float = -1.2,
    ) -> None:
        patches = Patches(channels, seed, gain, score_bias)
        nodes, constants = patches.nodes()
        self.size = size
        self.graph = GraphBuilder(OPSET, prefix="net")
        self.graph.nodes.extend(nodes)
        self.graph.constants.extend(constants)

    def node(self, operator: str, *inputs: str, **attributes: int | float | str | list[int]) -> str:
        return self.graph.node(operator, *inputs, **attributes)

    def centres_and_extents(self) -> str:
        """(N, 4, A) in pixels, near each cell."""
        cells, strides = grid(self.size, STRIDES)
        raw = self.graph.take("cells", 1, 0, 4)
        stride = self.graph.constant(strides.T[None])
        offset = self.node("Tanh", self.graph.take(raw, 1, 0, 2))
        centre = self.node("Add", offset, self.graph.constant((cells.T + 0.5)[None]))
        extent = self.node("Sigmoid", self.graph.take(raw, 1, 2, 4))
        extent = self.node("Add", extent, self.graph.number(1.0))
        return self.node("Mul", self.node("Concat", centre, extent, axis=1), stride)

    def scores(self, channels: int, first: int = 4) -> str:
        return self.node("Sigmoid", self.graph.take("cells", 1, first, channels))

    def model(
        self,
        outputs: dict[str, tuple[str, int, list[str | int]]],
        batch: str | int = "N",
        element: int = TensorProto.FLOAT,
        metadata: dict[str, str] | None = None,
    ) -> ModelProto:
        """Outputs: name → (tensor, element, shape)."""
        width, height = self.size
        for name, (tensor, _, _) in outputs.items():
            self.graph.nodes.append(helper.make_node("Identity", [tensor], [name]))
        nodes = list(self.graph.nodes)
        if element != TensorProto.FLOAT:
            nodes.insert(0, helper.make_node("Cast", ["raw"], ["images"], to=TensorProto.FLOAT))
        name = "images" if element == TensorProto.FLOAT else "raw"
        model = helper.make_model(
            helper.make_graph(
                nodes,
                "tiny",
                [helper.make_tensor_value_info(name, element, [batch, 3, height, width])],
                [
                    helper.make_tensor_value_info(key, kind, shape)
                    for key, (_, kind, shape) in outputs.items()
                ],
                self.graph.constants,
            ),
            opset_imports=[helper.make_opsetid("", OPSET)],
            ir_version=IR_VERSION,
        )
        helper.set_model_props(model, metadata or {})
        return model


FLOAT = TensorProto.FLOAT


def yolo_network(
    classes: int, seed: int = 1, batch: str | int = "N", size: NetworkSize = SIZE, **more
) -> ModelProto:
    """Ultralytics' raw output: (N, 4 + C, A)."""
    drawing = Drawing(4 + classes, seed, size)
    raw = drawing.node("Concat", drawing.centres_and_extents(), drawing.scores(4 + classes), axis=1)
    shape = [batch, 4 + classes, cell_count(size)]
    return drawing.model({"output0": (raw, FLOAT, shape)}, batch, **more)


def end_to_end_network(classes: int, seed: int = 2, metadata: dict[str, str] | None = None):
    """(N, QUERIES, 6): x1 y1 x2 y2 score class in pixels."""
    drawing = Drawing(4 + classes, seed)
    graph = drawing.graph
    boxes = drawing.node("Transpose", drawing.centres_and_extents(), perm=[0, 2, 1])
    half = drawing.node("Mul", graph.take(boxes, 2, 2, 4), graph.number(0.5))
    centre = graph.take(boxes, 2, 0, 2)
    corners = drawing.node(
        "Concat", drawing.node("Sub", centre, half), drawing.node("Add", centre, half), axis=2
    )
    scores = drawing.scores(4 + classes)
    best, index = graph.split("TopK", 2, graph.largest(scores, 1), graph.integers(QUERIES), axis=1)
    labels = graph.gather_rows(drawing.node("ArgMax", scores, axis=1, keepdims=0), index)
    last = graph.integers(-1)
    rows = drawing.node(
        "Concat",
        graph.gather_rows(corners, index),
        drawing.node("Unsqueeze", best, last),
        drawing.node("Unsqueeze", graph.cast(labels, FLOAT), last),
        axis=2,
    )
    return drawing.model({"output0": (rows, FLOAT, ["N", QUERIES, 6])}, metadata=metadata)


def decoded_yolox_network(classes: int, seed: int = 3) -> ModelProto:
    """(N, A, 5 + C) with boxes in pixels: the decoder is inside."""
    drawing = Drawing(5 + classes, seed, gain=0.008, score_bias=0.3)
    graph = drawing.graph
    cells, strides = grid(SIZE, STRIDES)
    stride = graph.constant(strides.T[None])
    raw = drawing.node("Mul", graph.take("cells", 1, 0, 4), graph.number(0.2))
    centre = drawing.node("Add", graph.take(raw, 1, 0, 2), graph.constant(cells.T[None]))
    extent = drawing.node("Exp", graph.take(raw, 1, 2, 4))
    boxes = drawing.node("Mul", drawing.node("Concat", centre, extent, axis=1), stride)
    parts = drawing.node("Concat", boxes, drawing.scores(5 + classes), axis=1)
    rows = drawing.node("Transpose", parts, perm=[0, 2, 1])
    return drawing.model({"output": (rows, FLOAT, ["N", cell_count(), 5 + classes])})


def rtdetr_network(
    classes: int, *, rows: bool, seed: int = 4, metadata: dict[str, str] | None = None
) -> ModelProto:
    """(N, QUERIES, 4 + C), or with `rows` (N, QUERIES, 6): boxes from 0 to 1."""
    drawing = Drawing(4 + classes, seed)
    graph = drawing.graph
    unit = graph.constant((1.0 / np.array([*SIZE, *SIZE], np.float32)).reshape(1, 4, 1))
    boxes = drawing.node("Mul", drawing.centres_and_extents(), unit)
    boxes = graph.take(drawing.node("Transpose", boxes, perm=[0, 2, 1]), 1, 60, 60 + QUERIES)
    scores = graph.take(
        drawing.node("Transpose", drawing.scores(4 + classes), perm=[0, 2, 1]), 1, 60, 60 + QUERIES
    )
    shape: list[str | int] = ["N", QUERIES, 6 if rows else 4 + classes]
    parts = [boxes, scores]
    if rows:
        last = graph.integers(-1)
        labels = graph.cast(drawing.node("ArgMax", scores, axis=2, keepdims=0), FLOAT)
        best = graph.largest(scores, 2)
        parts = [boxes, *(drawing.node("Unsqueeze", one, last) for one in (best, labels))]
    raw = drawing.node("Concat", *parts, axis=2)
    return drawing.model({"output0": (raw, FLOAT, shape)}, metadata=metadata)


def logits_network(classes: int, *, nothing: bool, seed: int = 5) -> ModelProto:
    """`logits` (N, QUERIES, C), one more with a class for `nothing`, and `pred_boxes`, 0 to 1."""
    columns = classes + nothing
    drawing = Drawing(4 + columns, seed)
    graph = drawing.graph
    unit = graph.constant((1.0 / np.array([*SIZE, *SIZE], np.float32)).reshape(1, 4, 1))
    boxes = drawing.node("Mul", drawing.centres_and_extents(), unit)
    boxes = graph.take(drawing.node("Transpose", boxes, perm=[0, 2, 1]), 1, 60, 60 + QUERIES)
    logits = drawing.node("Transpose", graph.take("cells", 1, 4, 4 + columns), perm=[0, 2, 1])
    logits = graph.take(logits, 1, 60, 60 + QUERIES)
    return drawing.model(
        {
            "logits": (logits, FLOAT, ["N", QUERIES, columns]),
            "pred_boxes": (boxes, FLOAT, ["N", QUERIES, 4]),
        }
    )
