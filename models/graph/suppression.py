"""Non-maximum suppression for a GPU: the same choice with arithmetic of fixed shapes.

ONNX's own operator asks the GPU how many boxes it kept, image by image and class by class, and the
GPU idles meanwhile. Here every pair of boxes is compared at once, and the greedy choice is the
fixed point of one matrix product: a box stays if no better box of its class that stays overlaps it.

Equal to the operator as long as no more than `PAIRS` boxes with a class of one image are above the
least score, and no chain in which each box decides about the next is longer than `ROUNDS`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from onnx import GraphProto, ModelProto, NodeProto, numpy_helper, parser

from models.graph.contract import opset_of

PAIRS: Final = 1000
"""Boxes with a class per image that are compared, best score first.

Half of it would give 1.4 times as many images per second, but a street gave 921 such boxes."""

ROUNDS: Final = 24
"""Products until the choice counts as settled."""

LEAST_OPSET: Final = 13
"""From here on Unsqueeze takes its axes as an input."""

_PREFIX: Final = "cityeye/suppression"

_PAIRS_TEXT: Final = """
pairs (float[N,A,4] boxes, float[N,C,A] scores, float iou, float least, bool[P,P] worse)
    => (float[N,C,A] kept) {
  shape = Shape(scores)
  axis_0 = Constant <value_ints = [0]> ()
  axis_1 = Constant <value_ints = [1]> ()
  axis_2 = Constant <value_ints = [2]> ()
  axis_3 = Constant <value_ints = [3]> ()
  axis_4 = Constant <value_ints = [4]> ()
  pairs = Constant <value_ints = [%(pairs)d]> ()
  images = Gather(shape, axis_0)
  points = Gather(shape, axis_2)
  rows = Constant <value_ints = [0, -1]> ()
  flat = Reshape(scores, rows)
  flat_shape = Shape(flat)
  filled = Gather(flat_shape, axis_1)
  blank_shape = Concat <axis = 0> (images, pairs)
  blank = ConstantOfShape(blank_shape)
  long = Concat <axis = 1> (flat, blank)
  best, place = TopK <axis = 1, sorted = 1> (long, pairs)
  point = Mod(place, points)
  label = Div(place, points)
  last = Constant <value_ints = [-1]> ()
  index = Unsqueeze(point, last)
  own = GatherND <batch_dims = 1> (boxes, index)
  turned = Transpose <perm = [0, 2, 1]> (own)
  left = Slice(own, axis_0, axis_1, axis_2)
  top = Slice(own, axis_1, axis_2, axis_2)
  right = Slice(own, axis_2, axis_3, axis_2)
  bottom = Slice(own, axis_3, axis_4, axis_2)
  left_t = Slice(turned, axis_0, axis_1, axis_1)
  top_t = Slice(turned, axis_1, axis_2, axis_1)
  right_t = Slice(turned, axis_2, axis_3, axis_1)
  bottom_t = Slice(turned, axis_3, axis_4, axis_1)
  width = Sub(right, left)
  height = Sub(bottom, top)
  area = Mul(width, height)
  area_t = Transpose <perm = [0, 2, 1]> (area)
  inner_left = Max(left, left_t)
  inner_right = Min(right, right_t)
  inner_top = Max(top, top_t)
  inner_bottom = Min(bottom, bottom_t)
  inner_width_raw = Sub(inner_right, inner_left)
  inner_height_raw = Sub(inner_bottom, inner_top)
  inner_width = Relu(inner_width_raw)
  inner_height = Relu(inner_height_raw)
  inner = Mul(inner_width, inner_height)
  both = Add(area, area_t)
  union = Sub(both, inner)
  share = Div(inner, union)
  overlaps = Greater(share, iou)
  label_of = Unsqueeze(label, last)
  label_t = Unsqueeze(label, axis_1)
  same = Equal(label_of, label_t)
  rival = And(same, worse)
  yields = And(overlaps, rival)
  matrix = Cast <to = 10> (yields)
  best_of = Unsqueeze(best, last)
  valid = Greater(best_of, least)
  stays_0 = Cast <to = 10> (valid)
  nothing = Constant <value_float = 0.0> ()
  none = Cast <to = 10> (nothing)
%(rounds)s
  stays_t = Squeeze(stays, last)
  weight = Cast <to = 1> (stays_t)
  value = Mul(best, weight)
  long_shape = Shape(long)
  zeros = ConstantOfShape(long_shape)
  placed = ScatterElements <axis = 1> (zeros, place, value)
  used = Slice(placed, axis_0, filled, axis_1)
  kept = Reshape(used, shape)
}
"""

_ROUND_TEXT: Final = """
  beaten_%(n)d = MatMul(matrix, stays_%(before)d)
  free_%(n)d = Equal(beaten_%(n)d, none)
  good_%(n)d = And(free_%(n)d, valid)
  %(after)s = Cast <to = 10> (good_%(n)d)
"""


def for_gpu(content: bytes) -> tuple[bytes, str]:
    """A packaged graph as a GPU runs it best, and the name of its free batch dimension.

    The name is empty where the batch is fixed.
    """
    model = ModelProto.FromString(content)
    first = model.graph.input[0].type.tensor_type.shape.dim[0]
    return with_fixed_shapes(model).SerializeToString(), first.dim_param


def with_fixed_shapes(model: ModelProto) -> ModelProto:
    """The graph with the selection that packages get at import written in fixed shapes.

    The model itself where there is nothing to replace: a network that suppresses by itself keeps
    its own operator.
    """
    found = [one for one in model.graph.node if one.op_type == "NonMaxSuppression"]
    if not found or opset_of(model) < LEAST_OPSET:
        return model
    copy = ModelProto()
    copy.CopyFrom(model)
    for number, node in enumerate(found):
        _replace(copy.graph, node, number)
    return copy


def _replace(graph: GraphProto, found: NodeProto, number: int) -> None:
    """Replaces one operator with what scatters its choice, where that is all that uses it."""
    chosen = found.output[0]
    users = [node for node in graph.node if chosen in node.input]
    gathers = [node for node in users if node.op_type == "GatherND"]
    scatters = [node for node in users if node.op_type == "ScatterND"]
    if len(found.input) != 5 or len(users) != 2 or len(gathers) != 1 or len(scatters) != 1:  # noqa: PLR2004
        return
    boxes, scores, _, iou, least = found.input
    gather, scatter = gathers[0], scatters[0]
    if list(gather.input) != [scores, chosen] or scatter.input[1:] != [chosen, gather.output[0]]:
        return
    prefix = f"{_PREFIX}_{number}"
    given = {"boxes": boxes, "scores": scores, "iou": iou, "least": least}
    names = {**given, "worse": f"{prefix}/worse", "kept": scatter.output[0]}
    worse = np.tril(np.ones((PAIRS, PAIRS), np.bool_), -1)
    graph.initializer.append(numpy_helper.from_array(worse, names["worse"]))
    place = list(graph.node).index(scatter)
    nodes = [*graph.node[:place], *_nodes(names, prefix), *graph.node[place + 1 :]]
    gone = (found.name, gather.name)
    kept = [node for node in nodes if node.name not in gone]
    del graph.node[:]
    graph.node.extend(kept)


def _nodes(names: dict[str, str], prefix: str) -> list[NodeProto]:
    """The nodes of the replacement with the names of the graph that they go into."""
    rounds = "".join(
        _ROUND_TEXT
        % {"n": n, "before": n, "after": "stays" if n == ROUNDS - 1 else f"stays_{n + 1}"}
        for n in range(ROUNDS)
    )
    parsed = parser.parse_graph(_PAIRS_TEXT % {"pairs": PAIRS, "rounds": rounds})
    nodes = []
    for node in parsed.node:
        _rename(node.input, names, prefix)
        _rename(node.output, names, prefix)
        node.name = f"{prefix}/{node.output[0].rpartition('/')[2]}"
        nodes.append(node)
    return nodes


def _rename(tensors: Sequence[str], names: dict[str, str], prefix: str) -> None:
    for index, name in enumerate(tensors):
        tensors[index] = names.get(name, f"{prefix}/{name}")  # type: ignore[index]
