"""fp16: the body of a network in half precision, its head and what was put around it in fp32.

It is for GPUs; a processor mostly converts back and forth.
Every tensor keeps its name in fp32 and has `<name>/fp16` in half precision; whichever of the two
is not computed but needed is made by a Cast, so that nothing is rounded where it need not be.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np
import onnx
from onnx import GraphProto, ModelProto, NodeProto, TensorProto, helper, numpy_helper

from model_tools.precision.network import copy_with_names, finished, parts_of
from models import GraphError
from models.graph import nodes_below

SUFFIX = "/fp16"
MOST = float(np.finfo(np.float16).max)
STANDARD_DOMAINS = frozenset({"", "ai.onnx"})
KEPT = frozenset(
    {
        *("Cast", "Constant", "ConstantOfShape", "EyeLike"),
        *("RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike"),
        *("CumSum", "NonMaxSuppression", "Range", "RoiAlign", "TopK"),
        *("DequantizeLinear", "QuantizeLinear"),
    }
)
"""Operators that stay in fp32: their type is part of them, or half precision would not do."""
FLOAT_INPUTS = {"Resize": frozenset({1, 2})}
"""Inputs of an operator that are fp32 whatever the others are."""


def to_fp16(model: ModelProto, *, name: str = "to convert") -> ModelProto:
    """A copy of a packaged graph whose network computes in float16 up to its head.

    Args:
        model: uint8 (N, H, W, 3) to float32 (N, M, 6); so is the copy.
        name: Who it is, for errors.

    Raises:
        GraphError: The network has no layers to convert, or does not tolerate the conversion.
    """
    named = copy_with_names(model)
    body = frozenset(parts_of(named, name).body)
    try:
        typed = onnx.shape_inference.infer_shapes(named, strict_mode=True)
        _Halving.of(typed, body).apply(named.graph)
        return finished(named, model)
    except Exception as error:
        raise GraphError(name, f"it cannot be converted to fp16 ({error}); keep fp32") from error


@dataclass(slots=True, eq=False)
class _Halving:
    """Rewrites one graph.

    Attributes:
        body: Names of the nodes that may compute in half precision.
        floats: Tensors that are float32 in the original.
        weights: Initializers by name.
        full: Tensors that are needed in fp32.
        halves: Tensors of which there is a half version already.
    """

    body: frozenset[str]
    floats: frozenset[str]
    weights: dict[str, TensorProto]
    full: frozenset[str] = frozenset()
    halves: set[str] = field(default_factory=set)

    @classmethod
    def of(cls, typed: ModelProto, body: frozenset[str]) -> _Halving:
        """Prepares for a graph whose types are known."""
        graph = typed.graph
        declared = [*graph.value_info, *graph.input, *graph.output]
        floats = {v.name for v in declared if v.type.tensor_type.elem_type == TensorProto.FLOAT}
        weights = {one.name: one for one in graph.initializer if one.data_type == TensorProto.FLOAT}
        halving = cls(body, frozenset(floats | set(weights)), weights)
        halving.full = frozenset(halving._needed_in_full(graph))
        return halving

    def apply(self, graph: GraphProto) -> None:
        """Rewrites the graph in place."""
        rewritten = [new for node in list(graph.node) for new in self._rewritten(node)]
        del graph.node[:]
        graph.node.extend(rewritten)
        halved = [_half(self.weights[one]) for one in self.weights if one in self.halves]
        replaced = (self.weights.keys() & self.halves) - self.full
        kept = [one for one in graph.initializer if one.name not in replaced]
        del graph.initializer[:]
        graph.initializer.extend([*kept, *halved])

    def _is_half(self, node: NodeProto) -> bool:
        return (
            node.name in self.body
            and node.domain in STANDARD_DOMAINS
            and node.op_type not in KEPT
            and len(list(nodes_below([node]))) == 1
        )

    def _needed_in_full(self, graph: GraphProto) -> Iterator[str]:
        yield from (one.name for one in graph.output)
        for node in graph.node:
            if self._is_half(node):
                fixed = FLOAT_INPUTS.get(node.op_type, frozenset())
                yield from (one for index, one in enumerate(node.input) if index in fixed)
            else:
                yield from (one for inner in nodes_below([node]) for one in inner.input)

    def _rewritten(self, node: NodeProto) -> Iterator[NodeProto]:
        if not self._is_half(node):
            yield node
            return
        fixed = FLOAT_INPUTS.get(node.op_type, frozenset())
        for index, tensor in enumerate(node.input):
            if tensor in self.floats and index not in fixed:
                yield from self._made_half(tensor)
                node.input[index] = tensor + SUFFIX
        back = [tensor for tensor in node.output if tensor in self.floats]
        node.output[:] = [one + SUFFIX if one in back else one for one in node.output]
        self.halves.update(back)
        yield node
        yield from (_cast(one + SUFFIX, one, TensorProto.FLOAT) for one in back if one in self.full)

    def _made_half(self, tensor: str) -> Iterable[NodeProto]:
        if tensor in self.halves:
            return []
        self.halves.add(tensor)
        if tensor in self.weights:
            return []
        return [_cast(tensor, tensor + SUFFIX, TensorProto.FLOAT16)]


def _cast(source: str, target: str, element: int) -> NodeProto:
    return helper.make_node("Cast", [source], [target], name=f"{target}/cast", to=element)


def _half(tensor: TensorProto) -> TensorProto:
    """A weight in half precision; what is too large becomes the largest there is."""
    values = numpy_helper.to_array(tensor)
    finite = np.where(np.isfinite(values), np.clip(values, -MOST, MOST), values)
    return numpy_helper.from_array(finite.astype(np.float16), tensor.name + SUFFIX)
