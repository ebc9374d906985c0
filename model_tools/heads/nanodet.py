"""NanoDet and NanoDet-Plus: class scores, and distances to the four sides as distributions.

After Li et al., "Generalized Focal Loss": a distance is the mean of its bins, in strides. The cells
of NanoDet-Plus count from their upper left corner, on strides 8 to 64; those of NanoDet from their
middle, on strides 8 to 32. Outputs are (N, A, C + 4 * bins), or per stride scores (N, a, C) and
distances (N, a, 4 * bins), in either order of strides and kinds.
"""

from __future__ import annotations

import numpy as np

from model_tools.graph.exported import FREE_SIZE, Exported, grid, mismatch
from model_tools.graph.placement import ImageSize
from model_tools.graph.preprocessing import Preprocessing, add_clipping
from model_tools.graph.selection import Choice
from model_tools.heads.graph_parts import HeadGraph
from model_tools.heads.head import NetworkHead
from model_tools.heads.numpy_parts import NumpyOutputs
from model_tools.heads.task import Candidates, ScoreKind
from models.graph import dimensions

NAME = "nanodet"
PLUS, PLAIN = (8, 16, 32, 64), (8, 16, 32)
BINS = 8
"""Of each side in a single output, where its columns alone do not show it; so in all that is
published (`reg_max` of 7)."""


def _parts(network: Exported, size: ImageSize) -> list[tuple[str, str]]:
    """Names of scores and distances per stride, finest first; empty if outputs are not so."""
    by_cells: dict[int, list[str]] = {}
    for name, value in network.outputs.items():
        shape = dimensions(value)
        if len(shape) != 3 or not isinstance(shape[1], int):  # noqa: PLR2004
            return []
        by_cells.setdefault(shape[1], []).append(name)
    for strides in (PLUS, PLAIN):
        cells = [len(grid(size, (stride,))[0]) for stride in strides]
        pairs = [by_cells.get(count, []) for count in cells]
        if len(by_cells) == len(cells) and all(len(pair) == 2 for pair in pairs):  # noqa: PLR2004
            return [(pair[0], pair[1]) for pair in pairs]
    return []


def _split(network: Exported) -> list[tuple[str, str]]:
    return _parts(network, network.image_input(NAME, FREE_SIZE)[0])


def _recognise(network: Exported) -> bool:
    if _split(network):
        return True
    output = network.first_output.name
    mixed = network.behind(output, last=False) == "Sigmoid" and not network.activation(output)
    return mixed and _may_be(network)


def _may_be(network: Exported) -> bool:
    has_cells = any(network.has_rows_per_cell(strides) for strides in (PLUS, PLAIN))
    return has_cells and bool(network.classes_beside(2, 4 * BINS))


def _preprocessing(_: Exported) -> Preprocessing:
    return Preprocessing("bgr", 1.0, (103.53, 116.28, 123.675), (57.375, 57.12, 58.395))


def _class_counts(network: Exported) -> tuple[int, ...]:
    if pairs := _split(network):
        columns = dimensions(network.outputs[pairs[0][0]])[2]
        return (columns,) if isinstance(columns, int) else ()
    return network.classes_beside(2, 4 * BINS)


def _scores(network: Exported, _: int) -> ScoreKind:
    pairs = _split(network)
    first = pairs[0][0] if pairs else network.first_output.name
    return "none" if network.behind(first, last=False) == "Sigmoid" else "sigmoid"


def _columns(graph: HeadGraph) -> tuple[str, str, int]:
    """Scores (N, A, C) and distances (N, A, 4 * bins) as they are, and the number of bins."""
    network, classes = graph.network, graph.task.classes
    if pairs := _parts(network, graph.size):
        scores, sides = (
            graph.node("Concat", *(graph.as_float(network.outputs[one]) for one in part), axis=1)
            for part in zip(*pairs, strict=True)
        )
        width = dimensions(network.outputs[pairs[0][1]])[2]
    else:
        raw = graph.first_output({})
        columns = dimensions(network.first_output)[2]
        width = columns - classes if isinstance(columns, int) else None
        scores = graph.take(raw, 2, 0, classes)
        sides = graph.take(raw, 2, classes, np.iinfo(np.int32).max)
    if not isinstance(width, int) or width < 8 or width % 4:  # noqa: PLR2004
        raise mismatch(NAME, f"{width} columns are no four distances", "check head and labels")
    return scores, sides, width // 4


def _build(graph: HeadGraph) -> Choice:
    columns, sides, bins = _columns(graph)
    is_plus = _is_plus(graph.network, graph.size)
    cells, strides = grid(graph.size, PLUS if is_plus else PLAIN)
    shares = graph.node("Reshape", sides, graph.integers(0, -1, 4, bins))
    shares = graph.node("Softmax", shares, axis=3)
    numbers = graph.constant(np.arange(bins, dtype=np.float32).reshape(bins, 1))
    mean = graph.node("Squeeze", graph.node("MatMul", shares, numbers), graph.integers(3))
    away = graph.node("Mul", mean, graph.constant(strides[None]))
    points = graph.constant(((cells + np.float32(0.0 if is_plus else 0.5)) * strides)[None])
    near = graph.node("Sub", points, graph.take(away, 2, 0, 2))
    far = graph.node("Add", points, graph.take(away, 2, 2, 4))
    boxes = add_clipping(graph, graph.node("Concat", near, far, axis=2), graph.size)
    kind = graph.task.scores or _scores(graph.network, graph.task.classes)
    scores = graph.activated(columns, kind, axis=2)
    return graph.every_class(boxes, graph.node("Transpose", scores, perm=[0, 2, 1]))


def _is_plus(network: Exported, size: ImageSize) -> bool:
    pairs = _parts(network, size)
    if pairs:
        return len(pairs) == len(PLUS)
    cells = (*network.only_shape, None, None)[1]
    for strides in (PLUS, PLAIN):
        if cells == len(grid(size, strides)[0]):
            return strides is PLUS
    raise mismatch(NAME, f"{cells} rows are not one for each cell", "check head and size")


def _reference(seen: NumpyOutputs) -> Candidates:
    tables = sorted(seen.found.values(), key=lambda table: -len(table))
    if len(tables) == 1:
        columns, sides = np.split(tables[0], [seen.task.classes], axis=1)
    else:
        # Sorting keeps the order of two outputs of one stride: scores, then distances.
        columns, sides = np.concatenate(tables[::2]), np.concatenate(tables[1::2])
    seen.check_columns(columns.shape[1])
    cells, strides = seen.cells((8, 16, 32, 64))
    points = cells * strides
    if len(columns) != len(points):
        cells, strides = seen.cells((8, 16, 32))
        points = cells * strides + strides / 2
    bins = sides.reshape(len(sides), 4, -1)
    powers = np.exp(bins - bins.max(2, keepdims=True))
    away = (powers * np.arange(bins.shape[2])).sum(2) / powers.sum(2) * strides
    boxes = np.concatenate([points - away[:, :2], points + away[:, 2:]], axis=1)
    return seen.every_class(seen.clipped(boxes), seen.probabilities(columns))


HEADS = (
    NetworkHead(
        name=NAME,
        choose_for="a score per class and distances as distributions, for each cell",
        recognise=_recognise,
        may_be=_may_be,
        build=_build,
        reference=_reference,
        preprocessing=_preprocessing,
        class_counts=_class_counts,
        classes_last=False,
        scores=_scores,
        score_kinds=("none", "sigmoid"),
        suppression="every class",
        nms_iou=0.6,
    ),
)
