"""Reading a graph of unknown origin: what is harmless passes, however unusual it looks."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import ModelProto, TensorProto, helper, numpy_helper

from models.graph import wire
from models.graph.contract import ContractViolation, check_self_contained, parse_model
from models.graph.operators import MICROSOFT_OPERATORS
from models.graph.weights import check_weights
from tests.model_tools.hostile import FILES
from tests.model_tools.hostile_graphs import graph_of, nested_branches, opset_id, shown


def accept(model: ModelProto) -> ModelProto:
    parsed = parse_model(model.SerializeToString())
    check_self_contained(parsed)
    return parsed


def content(made: ModelProto | bytes) -> bytes:
    return made if isinstance(made, bytes) else made.SerializeToString()


@pytest.mark.parametrize("name", FILES)
def test_what_is_hostile_is_seen_without_running_it(name):
    make, says = FILES[name]
    with pytest.raises(ContractViolation, match=says) as caught:
        check_self_contained(parse_model(content(make())))
    assert caught.value.remedy


def test_an_ordinary_graph_is_read_as_it_was_written():
    model = shown()
    assert accept(model) == model


def test_functions_of_their_own_name_are_fine():
    body = [helper.make_node("Relu", ["x"], ["y"])]
    function = helper.make_function("torch.nn", "Relu6", ["x"], ["y"], body, [opset_id()])
    node = helper.make_node("Relu6", ["table"], ["unused"], domain="torch.nn")
    accept(graph_of([node], functions=[function], domains=("torch.nn",)))


@pytest.mark.parametrize("operator", ["QLinearAdd", "FusedConv", "Gelu", "DequantizeLinear"])
def test_operators_of_quantised_and_fused_detectors_are_allowed(operator):
    node = helper.make_node(operator, ["table"], ["unused"], domain="com.microsoft")
    accept(graph_of([node], domains=("com.microsoft",)))


@pytest.mark.parametrize("operator", ["EPContext", "Snpe", "Tokenizer", "BeamSearch", "SampleOp"])
def test_operators_that_reach_outside_or_are_no_detector_are_not(operator):
    assert operator not in MICROSOFT_OPERATORS


def test_an_operator_hidden_in_a_branch_or_a_function_is_found():
    foreign = helper.make_node("Shell", ["x"], ["y"], domain="com.acme")
    function = helper.make_function("torch", "F", ["x"], ["y"], [foreign], [opset_id()])
    node = helper.make_node("F", ["table"], ["unused"], domain="torch")
    with pytest.raises(ContractViolation, match=r"operator Shell of domain com\.acme"):
        accept(graph_of([node], functions=[function], domains=("torch",)))
    branch = helper.make_graph([foreign], "branch", [], [])
    node = helper.make_node("If", ["yes"], ["unused"], then_branch=branch, else_branch=branch)
    with pytest.raises(ContractViolation, match=r"operator Shell of domain com\.acme"):
        accept(graph_of([node]))


def test_some_branches_in_branches_are_fine():
    accept(nested_branches(8))


@pytest.mark.parametrize(
    "tensor",
    [
        numpy_helper.from_array(np.ones((2, 3), np.float16), "half"),
        helper.make_tensor("half", TensorProto.FLOAT16, [2], np.ones(2, np.float16)),
        helper.make_tensor("bytes", TensorProto.INT8, [3], [1, 2, 3]),
        helper.make_tensor("flags", TensorProto.BOOL, [2], [True, False]),
        helper.make_tensor("text", TensorProto.STRING, [2], np.array([b"a", b"b"], object)),
        helper.make_tensor("pairs", TensorProto.COMPLEX64, [2], np.array([1j, 2], np.complex64)),
        helper.make_tensor("nibbles", TensorProto.INT4, [3], [1, 2, 3]),
        helper.make_tensor("brain", TensorProto.BFLOAT16, [2], [1.0, 2.0]),
        helper.make_tensor("nothing", TensorProto.FLOAT, [0], []),
        helper.make_tensor("scalar", TensorProto.DOUBLE, [], [1.0]),
        helper.make_tensor("large", TensorProto.UINT64, [1], [2**63]),
    ],
    ids=lambda tensor: tensor.name,
)
def test_tensors_of_every_type_are_measured_rightly(tensor):
    accept(graph_of([], constants=[tensor]))
    more = onnx.TensorProto()
    more.CopyFrom(tensor)
    more.dims[:] = [*(more.dims or [1]), 977]
    if 0 not in more.dims:
        with pytest.raises(ContractViolation, match=f"declares tensor {tensor.name} of"):
            check_weights(graph_of([], constants=[more]))


def test_a_tensor_of_an_unknown_type_is_refused():
    tensor = TensorProto(name="odd", dims=[1], data_type=99, raw_data=b"\0")
    with pytest.raises(ContractViolation, match="tensor odd of type number 99"):
        check_weights(graph_of([], constants=[tensor]))


def test_numbers_in_short_form_are_counted(monkeypatch):
    numbers = helper.make_tensor("many", TensorProto.INT64, [1000], [1] * 1000)
    model = graph_of([], constants=[numbers])
    accept(model)
    monkeypatch.setattr(wire, "MAX_PACKED_BYTES", 999)
    with pytest.raises(ContractViolation, match="more than 999 bytes of numbers in short form"):
        accept(model)


def test_the_census_stops_where_the_message_is_cut_off():
    data = shown().SerializeToString()
    for end in range(1, len(data), 7):
        with pytest.raises(ContractViolation):
            parse_model(data[:end])


def test_names_from_a_file_cannot_steer_a_terminal():
    node = helper.make_node("\x1b[2JShell\n", ["x"], ["y"], domain="com.acme" * 200)
    with pytest.raises(ContractViolation) as caught:
        accept(graph_of([node]))
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) <= 400
