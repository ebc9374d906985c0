"""Hostile and broken model files: how each is made, and the words that its refusal must hold.

Most look like packaged graphs. `FILES` are refused by looking at them, `RUNS` only when they are
loaded or run, and `CONTRACT` because they are no packaged graphs.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from onnx import ModelProto, TensorProto, helper

from tests.model_tools.hostile_graphs import (
    blind_in_the_dark,
    changed,
    declared_shape,
    declared_size,
    element_type,
    endless_loop,
    exploding,
    exploding_functions,
    external,
    external_as_function_default,
    external_in_attribute,
    external_in_function,
    external_in_sparse_attribute,
    external_in_subgraph,
    fields_by_the_million,
    foreign_operator,
    function_that_calls_itself,
    good_rows,
    graph_of,
    nested_branches,
    nested_types,
    nodes_by_the_million,
    other_answer_in_company,
    pickled,
    random_outputs,
    random_through_dropout,
    shadowing_function,
    shown,
    truncated,
    wide_functions,
    with_rows,
    zipped,
)

Maker = Callable[[], ModelProto | bytes]

FILES: dict[str, tuple[Maker, str]] = {
    "weights at an absolute path": (lambda: external("/etc/passwd"), "weights outside the file"),
    "weights above the folder": (lambda: external("../../secret"), "weights outside the file"),
    "weights in a linked file": (lambda: external("link.bin"), "weights outside the file"),
    "weights of an attribute": (external_in_attribute, "weights outside the file"),
    "weights of a sparse attribute": (external_in_sparse_attribute, "weights outside the file"),
    "weights of a branch": (external_in_subgraph, "weights outside the file"),
    "weights of a function": (external_in_function, "weights outside the file"),
    "weights of a default": (external_as_function_default, "weights outside the file"),
    "custom operator": (
        lambda: foreign_operator("com.acme", "Shell"),
        "operator Shell of domain com.acme, which is not allowed",
    ),
    "binary of another engine": (
        lambda: foreign_operator("com.microsoft", "EPContext"),
        "operator EPContext of domain com.microsoft, which is not allowed",
    ),
    "python operator": (
        lambda: foreign_operator("com.microsoft", "PythonOp"),
        "operator PythonOp of domain com.microsoft, which is not allowed",
    ),
    "shadowing function": (shadowing_function, "redefines operator Relu of domain ai.onnx"),
    "function that calls itself": (function_that_calls_itself, "functions .* in a circle"),
    "functions that double": (exploding_functions, "nests functions more than 16 deep"),
    "functions that multiply": (wide_functions, "more than 50,000 nodes when its functions"),
    "branches in branches": (lambda: nested_branches(20), "nests graphs more than 12 deep"),
    "branches without end": (lambda: nested_types(400), "nests more than 80 deep"),
    "huge tensor": (lambda: declared_size([2**20, 2**20]), "tensor huge of 4,398,046,511,104"),
    "tensor larger than its content": (
        lambda: declared_size([1000]),
        "tensor huge of 4000 bytes and holds 8",
    ),
    "tensor of negative size": (lambda: declared_size([-4]), "tensor huge of negative size"),
    "huge shape": (declared_shape, "declares shape with 1,099,511,627,776 elements"),
    "random operator": (
        lambda: random_outputs("RandomNormalLike"),
        "RandomNormalLike, whose result is random",
    ),
    "truncated file": (truncated, "no whole ONNX file: it ends in the middle"),
    "text": (lambda: b"this is not a model", "is not an ONNX file"),
    "pickle": (pickled, "is a Python pickle, which is code, not an ONNX file"),
    "zip": (zipped, "is a zip archive, such as a PyTorch checkpoint, not an ONNX file"),
    "nothing": (lambda: b"", "is empty"),
    "a million nodes": (nodes_by_the_million, "more than 50,000 nodes"),
    "millions of fields": (fields_by_the_million, "more than 500,000 fields"),
    "huge opset": (lambda: shown(opset=9999), "opset 9999"),
}
"""What is refused by looking at the file: how it is made, and a pattern of the refusal."""

RUNS: dict[str, tuple[Maker, str]] = {
    "constant that explodes": (lambda: exploding("ConstantOfShape"), "of memory that it may have"),
    "expansion that explodes": (lambda: exploding("Expand"), "of memory that it may have"),
    "tiling that explodes": (
        lambda: exploding("Tile"),
        "of memory that it may have|would require more than 4294967296 bytes",
    ),
    "range that explodes": (lambda: exploding("Range"), "of memory that it may have"),
    "endless loop": (endless_loop, "did not finish .* within"),
    "unknown operator": (lambda: foreign_operator("", "Relo"), "No Op registered for Relo"),
    "dangling tensor": (
        lambda: graph_of([helper.make_node("Relu", ["nowhere"], ["unused"])]),
        "nowhere",
    ),
    "circle": (
        lambda: graph_of(
            [helper.make_node("Relu", ["b"], ["a"]), helper.make_node("Relu", ["a"], ["b"])]
        ),
        "ONNX Runtime cannot load it",
    ),
    "scores that are no numbers": (lambda: with_rows(score=np.nan), "numbers that are not finite"),
    "boxes without end": (lambda: with_rows(x1=np.inf), "numbers that are not finite"),
    "scores above one": (lambda: with_rows(score=37), "scores from 0 to 37, not within 0 and 1"),
    "boxes outside the image": (lambda: with_rows(y2=900), "outside the 96x64 input"),
    "class without a label": (lambda: with_rows(label=3), "class 3, labels.txt names 3 classes"),
    "half a class": (lambda: with_rows(label=0.5), "class 0.5, labels.txt names 3 classes"),
    "other rows": (
        lambda: shown(good_rows() * np.array([1, 1, 0.9, 1, 1, 1], np.float32)),
        "does not give the golden rows: image 0: the box of class 0 .* is 3 px off, 0.01 may be",
    ),
    "no rows": (shown, "does not give the golden rows: image 0: class 0 with score 0.900"),
    "blind in the dark": (blind_in_the_dark, "numbers that are not finite"),
    "other answer in company": (
        other_answer_in_company,
        "differently in a batch of 2 than alone: image 0: the box of class 0 .* is 2 px off",
    ),
    "random dropout": (random_through_dropout, "the same image differently the second time"),
}
"""What shows only when it is loaded or run."""

CONTRACT: dict[str, tuple[Maker, str]] = {
    "wrong input type": (
        lambda: element_type(TensorProto.STRING),
        "input pictures must be UINT8 .* is STRING",
    ),
    "wrong rank": (
        lambda: changed(lambda it: it.graph.input[0].type.tensor_type.shape.dim.pop()),
        r"input pictures must be UINT8 \[N, 64, 96, 3\], is UINT8 \[N, 64, 96\]",
    ),
    "wrong output": (
        lambda: changed(lambda it: setattr(it.graph.output[0], "name", "table")),
        "must have the one output detections, has table",
    ),
    "two inputs": (
        lambda: changed(
            lambda it: it.graph.input.append(
                helper.make_tensor_value_info("more", TensorProto.FLOAT, [1])
            )
        ),
        "must have the one input pictures, has pictures, more",
    ),
}
"""What is no packaged graph, though it may be a network."""
