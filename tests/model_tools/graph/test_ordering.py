"""Nodes in an order in which they can be computed."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import ModelProto, TensorProto, helper

from model_tools.graph.ordering import in_order
from models.errors import GraphError
from tests.model_tools.heads.numpy_heads import session_of


def network(order: tuple[str, ...]) -> ModelProto:
    """(x + 1) * 2, and inside a branch 3 more, with nodes in the given order."""
    one = helper.make_tensor_value_info("inner", TensorProto.FLOAT, [1])
    branch = helper.make_graph(
        [helper.make_node("Add", ["b", "three"], ["inner"])], "yes", [], [one]
    )
    other = helper.make_graph([helper.make_node("Identity", ["b"], ["inner"])], "no", [], [one])
    nodes = {
        "add": helper.make_node("Add", ["x", "one"], ["a"]),
        "double": helper.make_node("Add", ["a", "a"], ["b"]),
        "if": helper.make_node("If", ["true"], ["y"], then_branch=branch, else_branch=other),
    }
    constants = [
        helper.make_tensor("one", TensorProto.FLOAT, [1], [1.0]),
        helper.make_tensor("three", TensorProto.FLOAT, [1], [3.0]),
        helper.make_tensor("true", TensorProto.BOOL, [], [True]),
    ]
    graph = helper.make_graph(
        [nodes[name] for name in order],
        "order",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1])],
        constants,
    )
    opset = [helper.make_opsetid("", 17)]
    return helper.make_model(graph, opset_imports=opset, ir_version=8)


def test_a_sorted_network_is_left_alone():
    tidy = network(("add", "double", "if"))
    assert in_order(tidy) is tidy


@pytest.mark.parametrize("order", [("if", "double", "add"), ("double", "if", "add")])
def test_what_a_branch_needs_is_made_before_it(order):
    tidy = in_order(network(order))
    assert [node.op_type for node in tidy.graph.node] == ["Add", "Add", "If"]
    assert tidy.graph.node[0].input[0] == "x"
    (found,) = session_of(tidy).run(None, {"x": np.array([4.0], np.float32)})
    assert found == [13.0]


def test_a_circle_is_refused():
    round_about = network(("add", "double", "if"))
    round_about.graph.node[0].input[1] = "b"
    with pytest.raises(GraphError, match="goes round in a circle"):
        in_order(round_about)
