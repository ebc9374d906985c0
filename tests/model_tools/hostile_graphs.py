"""Graphs and files that nobody should run: how each of the hostile ones is made."""

from __future__ import annotations

import io
import pickle
import zipfile
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import onnx
from onnx import ModelProto, TensorProto, helper, numpy_helper

from tests.models.tiny import LABELS, SIZE

ROWS = 20
OPSET = 17
INPUT = "pictures"
OUTPUT = "detections"


def shown(rows: np.ndarray | None = None, **extra) -> ModelProto:
    """A graph that fulfils the contract and gives the same rows for every image."""
    return graph_of([], rows=rows, **extra)


def graph_of(
    nodes: list[onnx.NodeProto],
    *,
    rows: np.ndarray | None = None,
    constants: list[TensorProto] | None = None,
    last: str = "table",
    opset: int = OPSET,
    functions: list[onnx.FunctionProto] | None = None,
    domains: tuple[str, ...] = (),
) -> ModelProto:
    """Nodes between `images` and `last` (1, ROWS, 6), which is repeated for every image."""
    table = np.zeros((1, ROWS, 6), np.float32) if rows is None else rows
    height, width = SIZE[1], SIZE[0]
    given = [
        numpy_helper.from_array(table, "table"),
        numpy_helper.from_array(np.array([1, 1], np.int64), "ones"),
        numpy_helper.from_array(np.array([0], np.int64), "first"),
        *(constants or []),
    ]
    ending = [
        helper.make_node("Shape", [INPUT], ["shape"]),
        helper.make_node("Gather", ["shape", "first"], ["count"], axis=0),
        helper.make_node("Concat", ["count", "ones"], ["times"], axis=0),
        helper.make_node("Tile", [last, "times"], [OUTPUT]),
    ]
    graph = helper.make_graph(
        [*nodes, *ending],
        "hostile",
        [helper.make_tensor_value_info(INPUT, TensorProto.UINT8, ["N", height, width, 3])],
        [helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, ["N", ROWS, 6])],
        given,
    )
    imports = [helper.make_opsetid("", opset), *(helper.make_opsetid(d, 1) for d in domains)]
    return helper.make_model(graph, opset_imports=imports, functions=functions or [], ir_version=8)


def outside(tensor: TensorProto, location: str) -> TensorProto:
    """The tensor with its content somewhere else on the disk."""
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    entry = tensor.external_data.add()
    entry.key, entry.value = "location", location
    return tensor


def hidden(name: str = "hidden") -> TensorProto:
    return outside(TensorProto(name=name, dims=[1], data_type=TensorProto.FLOAT), "../../secret")


def external(location: str) -> ModelProto:
    model = shown()
    outside(model.graph.initializer[0], location)
    return model


def external_in_attribute() -> ModelProto:
    return graph_of([helper.make_node("Constant", [], ["unused"], value=hidden())])


def external_in_sparse_attribute() -> ModelProto:
    node = helper.make_node("Constant", [], ["unused"])
    sparse = onnx.SparseTensorProto(dims=[4])
    sparse.values.CopyFrom(hidden())
    sparse.indices.CopyFrom(numpy_helper.from_array(np.array([0], np.int64), "at"))
    node.attribute.add(
        name="sparse_value", type=onnx.AttributeProto.SPARSE_TENSOR, sparse_tensor=sparse
    )
    return graph_of([node])


def external_in_subgraph() -> ModelProto:
    branch = helper.make_graph(
        [helper.make_node("Identity", ["hidden"], ["chosen"])],
        "branch",
        [],
        [helper.make_tensor_value_info("chosen", TensorProto.FLOAT, [1])],
        [hidden()],
    )
    yes = numpy_helper.from_array(np.array(True), "yes")
    node = helper.make_node("If", ["yes"], ["unused"], then_branch=branch, else_branch=branch)
    return graph_of([node], constants=[yes])


def external_in_function() -> ModelProto:
    body = [helper.make_node("Constant", [], ["out"], value=hidden())]
    function = helper.make_function("foreign", "Hide", [], ["out"], body, [opset_id()])
    node = helper.make_node("Hide", [], ["unused"], domain="foreign")
    return graph_of([node], functions=[function], domains=("foreign",))


def external_as_function_default() -> ModelProto:
    body = [helper.make_node("Identity", ["x"], ["out"])]
    default = helper.make_attribute("secret", hidden())
    function = helper.make_function(
        "foreign", "Hide", ["x"], ["out"], body, [opset_id()], attribute_protos=[default]
    )
    node = helper.make_node("Hide", ["table"], ["unused"], domain="foreign")
    return graph_of([node], functions=[function], domains=("foreign",))


def opset_id() -> onnx.OperatorSetIdProto:
    return helper.make_opsetid("", OPSET)


def foreign_operator(domain: str, operator: str) -> ModelProto:
    node = helper.make_node(operator, ["table"], ["unused"], domain=domain)
    return graph_of([node], domains=(domain,))


def shadowing_function() -> ModelProto:
    body = [helper.make_node("Identity", ["x"], ["y"])]
    function = helper.make_function("", "Relu", ["x"], ["y"], body, [opset_id()])
    return graph_of([helper.make_node("Relu", ["table"], ["unused"])], functions=[function])


def exploding_functions() -> ModelProto:
    """Forty functions, each of which calls the next one twice."""
    functions = []
    for level in range(40):
        called = f"F{level + 1}" if level < 39 else "Identity"
        domain = "foreign" if level < 39 else ""
        body = [
            helper.make_node(called, ["x"], ["half"], domain=domain),
            helper.make_node(called, ["half"], ["y"], domain=domain),
        ]
        imports = [opset_id(), helper.make_opsetid("foreign", 1)]
        functions.append(helper.make_function("foreign", f"F{level}", ["x"], ["y"], body, imports))
    node = helper.make_node("F0", ["table"], ["unused"], domain="foreign")
    return graph_of([node], functions=functions, domains=("foreign",))


def wide_functions() -> ModelProto:
    """Six functions, each of which calls the next one thirty times."""
    functions = []
    for level in range(6):
        called, domain = (f"F{level + 1}", "foreign") if level < 5 else ("Identity", "")
        names = ["x", *(f"t{step}" for step in range(29)), "y"]
        body = [
            helper.make_node(called, [one], [other], domain=domain)
            for one, other in pairwise(names)
        ]
        imports = [opset_id(), helper.make_opsetid("foreign", 1)]
        functions.append(helper.make_function("foreign", f"F{level}", ["x"], ["y"], body, imports))
    node = helper.make_node("F0", ["table"], ["unused"], domain="foreign")
    return graph_of([node], functions=functions, domains=("foreign",))


def function_that_calls_itself() -> ModelProto:
    body = [helper.make_node("Me", ["x"], ["y"], domain="foreign")]
    imports = [opset_id(), helper.make_opsetid("foreign", 1)]
    function = helper.make_function("foreign", "Me", ["x"], ["y"], body, imports)
    node = helper.make_node("Me", ["table"], ["unused"], domain="foreign")
    return graph_of([node], functions=[function], domains=("foreign",))


def nested_branches(depth: int) -> ModelProto:
    yes = numpy_helper.from_array(np.array(True), "yes")
    last = [helper.make_tensor_value_info("out", TensorProto.FLOAT, [1, ROWS, 6])]
    graph = helper.make_graph([helper.make_node("Identity", ["table"], ["out"])], "leaf", [], last)
    for _ in range(depth):
        node = helper.make_node("If", ["yes"], ["out"], then_branch=graph, else_branch=graph)
        graph = onnx.GraphProto(name="nest")
        graph.node.append(node)
        graph.output.extend(last)
        # Twice the same branch would double the file at every level.
        graph.node[0].attribute[1].g.CopyFrom(
            helper.make_graph([helper.make_node("Identity", ["table"], ["out"])], "e", [], last)
        )
    outer = helper.make_node("If", ["yes"], ["unused"], then_branch=graph, else_branch=graph)
    return graph_of([outer], constants=[yes])


def declared_size(dims: list[int]) -> ModelProto:
    tensor = TensorProto(name="huge", dims=dims, data_type=TensorProto.FLOAT, raw_data=b"\0" * 8)
    return graph_of([], constants=[tensor])


def declared_shape() -> ModelProto:
    model = shown()
    model.graph.value_info.append(
        helper.make_tensor_value_info("shape", TensorProto.INT64, [2**40])
    )
    return model


def added(value: str) -> list[onnx.NodeProto]:
    """`ended`: the table, in a way that needs the value."""
    return [
        helper.make_node("Mul", [value, "nought"], ["none"]),
        helper.make_node("Add", ["table", "none"], ["ended"]),
    ]


def exploding(operator: str) -> ModelProto:
    """An operator whose result depends on the image, and is enormous."""
    nought = numpy_helper.from_array(np.array(0, np.float32), "nought")
    huge = numpy_helper.from_array(np.array([1 << 17, 1 << 17], np.int64), "huge")
    most = numpy_helper.from_array(np.array(1 << 38, np.int64), "most")
    one = numpy_helper.from_array(np.array(1, np.int64), "one")
    start = [
        helper.make_node("Shape", [INPUT], ["sizes"]),
        helper.make_node("Gather", ["sizes", "first"], ["batch"], axis=0),
        helper.make_node("Squeeze", ["batch", "first"], ["scalar"]),
        helper.make_node("Cast", ["scalar"], ["number"], to=TensorProto.FLOAT),
        helper.make_node("Reshape", ["number", "square"], ["cell"]),
    ]
    square = numpy_helper.from_array(np.array([1, 1], np.int64), "square")
    made = {
        "Expand": [helper.make_node("Expand", ["cell", "huge"], ["large"])],
        "Tile": [helper.make_node("Tile", ["cell", "huge"], ["large"])],
        "Range": [
            helper.make_node("Range", ["scalar", "most", "one"], ["whole"]),
            helper.make_node("Cast", ["whole"], ["large"], to=TensorProto.FLOAT),
        ],
        "ConstantOfShape": [
            helper.make_node("Mul", ["huge", "batch"], ["explode"]),
            helper.make_node("ConstantOfShape", ["explode"], ["large"]),
        ],
    }[operator]
    total = helper.make_node("ReduceSum", ["large"], ["sum"], keepdims=0)
    return graph_of(
        [*start, *made, total, *added("sum")],
        constants=[nought, huge, most, one, square],
        last="ended",
    )


def endless_loop() -> ModelProto:
    """A loop without a trip count whose condition stays true."""
    body = helper.make_graph(
        [
            helper.make_node("Identity", ["go"], ["on"]),
            helper.make_node("Sin", ["state"], ["next"]),
        ],
        "body",
        [
            helper.make_tensor_value_info("step", TensorProto.INT64, []),
            helper.make_tensor_value_info("go", TensorProto.BOOL, []),
            helper.make_tensor_value_info("state", TensorProto.FLOAT, [1, ROWS, 6]),
        ],
        [
            helper.make_tensor_value_info("on", TensorProto.BOOL, []),
            helper.make_tensor_value_info("next", TensorProto.FLOAT, [1, ROWS, 6]),
        ],
    )
    yes = numpy_helper.from_array(np.array(True), "yes")
    loop = helper.make_node("Loop", ["", "yes", "table"], ["ended"], body=body)
    return graph_of([loop], constants=[yes], last="ended")


def random_outputs(operator: str) -> ModelProto:
    node = helper.make_node(operator, ["table"], ["ended"])
    return graph_of([node], last="ended")


def random_through_dropout() -> ModelProto:
    """No operator of it is random by name; dropout in training mode is."""
    half = numpy_helper.from_array(np.array(0.5, np.float32), "half")
    yes = numpy_helper.from_array(np.array(True), "yes")
    node = helper.make_node("Dropout", ["table", "half", "yes"], ["ended"])
    return graph_of([node], rows=good_rows(1) / 2, constants=[half, yes], last="ended")


def blind_in_the_dark() -> ModelProto:
    """Right for every image but a black one, where it divides nothing by nothing."""
    nodes = [
        helper.make_node("Cast", [INPUT], ["numbers"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["numbers"], ["mean"], axes=[1, 2, 3], keepdims=1),
        helper.make_node("ReduceMin", ["mean"], ["darkest"], keepdims=0),
        helper.make_node("Div", ["darkest", "darkest"], ["one"]),
        helper.make_node("Mul", ["table", "one"], ["ended"]),
    ]
    return graph_of(nodes, rows=good_rows(), last="ended")


def other_answer_in_company() -> ModelProto:
    """The more images there are in a batch, the narrower is the first box."""
    narrower = np.zeros((1, ROWS, 6), np.float32)
    narrower[0, 0, 2] = 2
    given = [
        numpy_helper.from_array(narrower, "narrower"),
        numpy_helper.from_array(np.array([1], np.float32), "alone"),
    ]
    nodes = [
        helper.make_node("Shape", [INPUT], ["sizes"]),
        helper.make_node("Gather", ["sizes", "first"], ["batch"], axis=0),
        helper.make_node("Cast", ["batch"], ["images_in_it"], to=TensorProto.FLOAT),
        helper.make_node("Sub", ["images_in_it", "alone"], ["others"]),
        helper.make_node("Mul", ["others", "narrower"], ["less"]),
        helper.make_node("Sub", ["table", "less"], ["ended"]),
    ]
    return graph_of(nodes, rows=good_rows(), constants=given, last="ended")


def good_rows(classes: int = len(LABELS)) -> np.ndarray:
    rows = np.zeros((1, ROWS, 6), np.float32)
    for index in range(8):
        rows[0, index] = [
            5 * index,
            4 * index,
            5 * index + 30,
            4 * index + 20,
            0.9 - index / 20,
            index % classes,
        ]
    return rows


def changed(change: Callable[[ModelProto], object]) -> ModelProto:
    model = shown(good_rows())
    change(model)
    return model


def element_type(kind: int) -> ModelProto:
    def change(model: ModelProto) -> None:
        model.graph.input[0].type.tensor_type.elem_type = kind

    return changed(change)


def with_rows(**columns: float) -> ModelProto:
    """Rows of which the first has one number replaced."""
    rows = good_rows()
    for name, value in columns.items():
        rows[0, 0, {"x1": 0, "y2": 3, "score": 4, "label": 5}[name]] = value
    return shown(rows)


def nodes_by_the_million() -> bytes:
    """A graph of empty nodes: two bytes each in the file, a hundred in memory."""
    return b"\x08\x08" + field(0x3A, b"\x0a\x00" * 1_000_000)


def fields_by_the_million() -> bytes:
    return b"\x08\x08" + field(0x3A, b"\x5a\x00" * 3_000_000)


def nested_types(depth: int) -> bytes:
    """An input whose type is a sequence of sequences of sequences."""
    content = b""
    for _ in range(depth):
        content = field(0x22, field(0x0A, content))
    return b"\x08\x08" + field(0x3A, field(0x5A, field(0x12, content)))


def field(tag: int, content: bytes) -> bytes:
    return bytes([tag]) + varint(len(content)) + content


def varint(number: int) -> bytes:
    result = bytearray()
    while number > 0x7F:
        result.append(number & 0x7F | 0x80)
        number >>= 7
    result.append(number)
    return bytes(result)


class Writer:
    """Writes a file where it is unpickled."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self):
        return (Path.touch, (Path(self.path),))


def pickled() -> bytes:
    return pickle.dumps(Writer("unpickled"), protocol=4)


def zipped() -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("archive/data.pkl", pickled())
    return stream.getvalue()


def truncated() -> bytes:
    return shown(good_rows()).SerializeToString()[:-200]
