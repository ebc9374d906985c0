"""The network inside a packaged graph, and the part of it that keeps its full precision.

What was put around the network at import (preprocessing, decoding, selection) is known by its node
names. The head is the last layer of each output and everything behind it: a rounding error there
goes straight into boxes and scores, and it is a small share of the work.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import onnx
from onnx import ModelProto, NodeProto

from models import GraphError
from models.graph import nodes, used_by

ADDED_PREFIX = "cityeye"
LAYERS = frozenset({"Conv", "ConvTranspose", "Gemm", "MatMul"})
"""Operators that do the work of a network when one of their inputs is a trained weight."""
LEAST_WEIGHTS = 64
"""A layer with fewer is arithmetic in disguise, like the 16 or 33 that average a distribution."""


@dataclass(frozen=True, slots=True)
class NetworkParts:
    """Node names of a packaged graph by what they are.

    Attributes:
        head: Last layers of the network and what is behind them, up to its outputs.
        body: The rest of the network.
        layers: Those in the body that are layers with weights.
    """

    head: tuple[str, ...]
    body: tuple[str, ...]
    layers: tuple[str, ...]


def copy_with_names(model: ModelProto) -> ModelProto:
    """A copy in which every node has a name of its own; tools refer to nodes by name."""
    copy = ModelProto()
    copy.CopyFrom(model)
    taken: set[str] = set()
    for index, node in enumerate(copy.graph.node):
        if not node.name or node.name in taken:
            node.name = f"{node.name or 'network/unnamed'}_{index}"
        taken.add(node.name)
    return copy


def parts_of(model: ModelProto, name: str) -> NetworkParts:
    """Finds the parts of a packaged graph whose nodes all have names.

    Args:
        model: The graph.
        name: Who it is, for errors.

    Raises:
        GraphError: There is no layer whose precision could be lowered.
    """
    network = [one for one in model.graph.node if not one.name.startswith(f"{ADDED_PREFIX}/")]
    layers = _layers(model, network)
    before = _before_a_layer(network, layers)
    body = [node.name for node in network if node.name in before]
    in_body = [node.name for node in network if node.name in before & layers]
    if not in_body:
        raise GraphError(
            name,
            f"the network has {len(layers)} convolutions or other layers with weights and none "
            "before its head, so a lower precision would gain nothing; keep it as it is",
        )
    return NetworkParts(
        head=tuple(node.name for node in network if node.name not in before),
        body=tuple(body),
        layers=tuple(in_body),
    )


def finished(converted: ModelProto, original: ModelProto) -> ModelProto:
    """A converted graph with the same outside as the original, and without the tools' traces."""
    del converted.graph.input[:], converted.graph.output[:]
    converted.graph.input.extend(original.graph.input)
    converted.graph.output.extend(original.graph.output)
    del converted.graph.value_info[:], converted.metadata_props[:]
    converted.metadata_props.extend(original.metadata_props)
    converted.producer_name = original.producer_name
    converted.producer_version = original.producer_version
    used = {node.domain for node in nodes(converted)} | {one.domain for one in converted.functions}
    kept = [one for one in converted.opset_import if one.domain in used | {""}]
    del converted.opset_import[:]
    converted.opset_import.extend(kept)
    onnx.checker.check_model(converted, full_check=True)
    return converted


def _layers(model: ModelProto, network: Iterable[NodeProto]) -> set[str]:
    sizes = {tensor.name: int(np.prod(tensor.dims)) for tensor in model.graph.initializer}
    for node in model.graph.node:
        if node.op_type == "Constant":
            value = next((one.t for one in node.attribute if one.name == "value"), None)
            sizes[node.output[0]] = int(np.prod(value.dims)) if value is not None else 0
    return {
        node.name
        for node in network
        if node.op_type in LAYERS
        and max((sizes.get(one, 0) for one in node.input), default=0) >= LEAST_WEIGHTS
    }


def _before_a_layer(network: list[NodeProto], layers: set[str]) -> set[str]:
    """Nodes whose result some layer behind them uses."""
    wanted: set[str] = set()
    before: set[str] = set()
    for node in reversed(network):
        if wanted.intersection(node.output):
            before.add(node.name)
        if node.name in layers or node.name in before:
            wanted.update(name for name in used_by(node) if name)
    return before
