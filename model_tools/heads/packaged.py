"""A graph that fulfils the package contract already, imported again: kept, or relabelled."""

from __future__ import annotations

from onnx import ModelProto, TensorProto, helper

from model_tools.graph.exported import Exported
from model_tools.graph.selection import add_rows
from model_tools.heads.graph_parts import HeadGraph
from model_tools.heads.head import NetworkHead
from model_tools.heads.numpy_parts import rows_of_table
from model_tools.heads.task import ADDED_PREFIX, ROW_COLUMNS, HeadTask, WrappedGraph, each_alone
from models.graph import dimensions, opset_of

RELABELLING = f"{ADDED_PREFIX}/labels"
"""How the names of nodes begin that choose and renumber the rows of a whole package."""


def _recognise(network: Exported) -> bool:
    if len(network.inputs) != 1 or len(network.outputs) != 1:
        return False
    shape, rows = dimensions(network.inputs[0]), dimensions(network.first_output)
    is_uint8 = network.inputs[0].type.tensor_type.elem_type == TensorProto.UINT8
    return is_uint8 and (len(shape), *shape[3:]) == (4, 3) and rows[2:] == (ROW_COLUMNS,)


def relabelled(model: ModelProto, task: HeadTask) -> WrappedGraph:
    """The graph itself where all classes are kept, else with its rows chosen and renumbered."""
    batch = dimensions(Exported(model).inputs[0])[0]
    fixed = batch if isinstance(batch, int) and batch > 0 else None
    if task.groups == each_alone(tuple(range(task.classes))):
        return WrappedGraph(model, task.selection.rows, opset_of(model), fixed)
    changed = ModelProto()
    changed.CopyFrom(model)
    (output,) = changed.graph.output
    # A graph that was relabelled before has nodes and tensors of that name already.
    prefix = f"{RELABELLING}{len(changed.graph.node)}"
    rows = f"{prefix}/before"
    for node in changed.graph.node:
        node.output[:] = [rows if name == output.name else name for name in node.output]
        node.input[:] = [rows if name == output.name else name for name in node.input]
    graph = HeadGraph("packaged", Exported(model), task, task.size, prefix)
    last = add_rows(graph, graph.final_table(rows))
    name = graph.fresh("output")
    graph.nodes.append(helper.make_node("Identity", [last], [output.name], name=name))
    changed.graph.node.extend(graph.nodes)
    changed.graph.initializer.extend(graph.constants)
    return WrappedGraph(changed, task.selection.rows, opset_of(changed), fixed)


HEADS = (
    NetworkHead(
        name="packaged",
        choose_for="a graph that is a package's already",
        recognise=_recognise,
        build=lambda graph: graph.final_table(graph.first_output({})),
        reference=rows_of_table,
    ),
)
