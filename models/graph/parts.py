"""Every node and every tensor of a model, wherever it hides: branches, functions, attributes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from google.protobuf.message import Message  # type: ignore[import-untyped]
from onnx import FunctionProto, GraphProto, ModelProto, NodeProto, TensorProto, ValueInfoProto

_MESSAGE = 11
"""The field type of a message in a descriptor."""


def nodes(model: ModelProto) -> Iterator[NodeProto]:
    """The nodes of the graph, its inner graphs, and the functions."""
    yield from nodes_below(model.graph.node)
    for function in model.functions:
        yield from function_nodes(function)


def function_nodes(function: FunctionProto) -> Iterator[NodeProto]:
    """The nodes of one function with those of its inner graphs."""
    yield from nodes_below(function.node)


def nodes_below(some: Iterable[NodeProto]) -> Iterator[NodeProto]:
    """Nodes with those of the graphs that they hold as attributes."""
    for node in some:
        yield node
        for graph in _inner_graphs(node):
            yield from nodes_below(graph.node)


def used_by(node: NodeProto) -> Iterator[str]:
    """Names of the tensors that a node needs, those of its inner graphs included."""
    yield from node.input
    for graph in _inner_graphs(node):
        for inner in graph.node:
            yield from used_by(inner)
        yield from (output.name for output in graph.output)


def values(model: ModelProto) -> Iterator[ValueInfoProto]:
    """Everything whose type and shape is declared."""
    graphs = [model.graph]
    while graphs:
        graph = graphs.pop()
        yield from (*graph.input, *graph.output, *graph.value_info)
        for node in graph.node:
            graphs.extend(_inner_graphs(node))


def tensors(message: Message) -> Iterator[TensorProto]:
    """Every tensor anywhere in a message; it does not depend on knowing the places."""
    if isinstance(message, TensorProto):
        yield message
        return
    for descriptor, content in message.ListFields():
        if descriptor.type == _MESSAGE:
            for one in content if isinstance(content, Iterable) else (content,):
                yield from tensors(one)


def _inner_graphs(node: NodeProto) -> Iterator[GraphProto]:
    for attribute in node.attribute:
        if attribute.HasField("g"):
            yield attribute.g
        yield from attribute.graphs
