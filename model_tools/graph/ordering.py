"""Order of nodes: the standard wants every tensor made before it is used, exporters not always."""

from __future__ import annotations

import graphlib

from onnx import ModelProto

from models import GraphError
from models.graph import used_by


def in_order(network: ModelProto) -> ModelProto:
    """The network, or a copy whose nodes stand in an order in which they can be computed.

    Raises:
        GraphError: Some node needs its own result.
    """
    nodes = network.graph.node
    makers = {name: index for index, node in enumerate(nodes) for name in node.output if name}
    needs = {
        index: {makers[name] for name in used_by(node) if name in makers}
        for index, node in enumerate(nodes)
    }
    if all(max(earlier, default=-1) < index for index, earlier in needs.items()):
        return network
    try:
        order = list(graphlib.TopologicalSorter(needs).static_order())
    except graphlib.CycleError as error:
        raise GraphError("graph", "goes round in a circle; export it again") from error
    copy = ModelProto()
    copy.CopyFrom(network)
    del copy.graph.node[:]
    copy.graph.node.extend(nodes[index] for index in order)
    return copy
