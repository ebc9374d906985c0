"""Checks of the graph that need no ONNX Runtime."""

from __future__ import annotations

from onnx import ModelProto, shape_inference

from model_tools.heads.packaged import RELABELLING
from models import GraphError, Manifest, promises
from models.graph import check_model, check_self_contained, dimensions, nodes, opset_of, parse_model

OUR_NODES = "cityeye/"


def parsed(content: bytes) -> tuple[ModelProto, str]:
    """Parses the graph; it uses allowed operators only and keeps everything inside the file."""
    model = parse_model(content)
    check_self_contained(model)
    count = sum(1 for _ in nodes(model))
    domains = sorted({node.domain or "ai.onnx" for node in nodes(model)})
    return model, f"{count} nodes of {', '.join(domains)}, opset {opset_of(model)}"


def as_promised(model: ModelProto, manifest: Manifest) -> tuple[None, str]:
    """Compares inputs, outputs and opset with the manifest."""
    check_model(model, **promises(manifest))
    size = f"{manifest.input.width}x{manifest.input.height}"
    return None, f"{size} images in, {manifest.output.rows} rows out"


def classes_named(model: ModelProto, labels: tuple[str, ...]) -> tuple[None, str]:
    """Compares the number of classes that reach suppression with the number of labels.

    Graphs without suppression do not say it; there the class ids of real outputs must do.
    """
    count = _classes(model)
    if count is None:
        return None, f"{len(labels)} labels; the graph does not say how many classes it has"
    if count != len(labels):
        raise GraphError(
            "", f"has {count} classes, labels.txt names {len(labels)}; correct labels.txt"
        )
    return None, f"{count} classes and as many labels"


def _classes(model: ModelProto) -> int | None:
    """Classes in the scores (N, C, A) of the suppression that this project added, if any."""
    if any(node.name.startswith(RELABELLING) for node in model.graph.node):
        # Labels were chosen behind suppression, which knows more classes than the package.
        return None
    scores = [
        node.input[1]
        for node in model.graph.node
        if node.op_type == "NonMaxSuppression" and node.name.startswith(OUR_NODES)
    ]
    if len(scores) != 1:
        return None
    inferred = shape_inference.infer_shapes(model, data_prop=True)
    for value in inferred.graph.value_info:
        shape = dimensions(value)
        if value.name == scores[0] and len(shape) == 3:  # noqa: PLR2004
            return shape[1] if isinstance(shape[1], int) else None
    return None
