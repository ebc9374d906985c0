"""`Head`: one family of networks, as an import sees it.

A module of this package says everything about a family: how its exports are recognised, what they
expect, how their output becomes boxes, scores and classes in the graph, and the same once more in
plain numpy. The second computation must not call the first, nor what the first is made of: a
mistake in the graph would hide in it. A head is chosen when a package is made; at run time every
package looks the same.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt
from onnx import ModelProto

from model_tools.graph.builder import GraphBuilder
from model_tools.graph.exported import Exported, mismatch, shown_shape
from model_tools.graph.placement import Size
from model_tools.graph.preprocessing import Preprocessing
from model_tools.graph.selection import Choice, Selection
from models.graph.contract import Dimension, dimensions

ScoreKind = Literal["sigmoid", "softmax", "none"]
"""What makes scores of the network's class columns; `none` where the network gives scores."""

Suppression = Literal["none", "best class", "every class"]
"""Non-maximum suppression: none, on the best class of each point, or on every class of it."""

Groups = tuple[tuple[int, ...], ...]
"""Network class ids that make each of the package's labels."""

Numbers = npt.NDArray[np.float64]

ADDED_PREFIX = "cityeye"
"""How the names of nodes begin that an import adds to a network."""
ROW_COLUMNS = 6
"""x1 y1 x2 y2 score class."""
MOST_QUERIES = 1000


@dataclass(frozen=True, slots=True)
class HeadTask:
    """What a head must produce.

    Attributes:
        size: Width and height of the package's image in pixels.
        classes: Number of classes that the network knows.
        groups: Which of them the package keeps, in the order of its labels.
        selection: Limits of the selection.
        scores: What makes scores of class columns; None takes what the network's graph shows.
    """

    size: Size
    classes: int
    groups: Groups
    selection: Selection
    scores: ScoreKind | None = None

    def new_ids(self) -> npt.NDArray[np.int64]:
        """(classes + 1,) label of each network class, -1 where it is dropped; last one too."""
        ids = np.full(self.classes + 1, -1, np.int64)
        for label, members in enumerate(self.groups):
            ids[list(members)] = label
        return ids


@dataclass(frozen=True, slots=True)
class WrappedGraph:
    """A graph that fulfils the package contract.

    Attributes:
        model: The ONNX model.
        rows: Detections per image.
        opset: Version of the default operator set.
        fixed_batch: How many images it takes at once, exactly; None where any number does.
    """

    model: ModelProto
    rows: int
    opset: int
    fixed_batch: int | None = None

    @property
    def dynamic_batch(self) -> bool:
        """Whether it takes any number of images."""
        return self.fixed_batch is None


class Candidates(NamedTuple):
    """Boxes (A, 4) x1 y1 x2 y2 in network pixels, scores (A,) and network classes (A,)."""

    boxes: Numbers
    scores: Numbers
    classes: npt.NDArray[np.int64]


Outputs = Mapping[str, Numbers]
"""What a network says about one image: its outputs by name, without the batch axis."""


@dataclass(frozen=True, slots=True)
class Head:
    """A family of outputs.

    Attributes:
        name: What `--head` calls it.
        choose_for: The output that it reads, to choose by.
        recognise: Whether names, shapes and operators leave no doubt that a network has this head.
        build: Adds decoding and selection to a graph that has the network's outputs as tensors;
            `size` is that of the network's image, in whose pixels the boxes stay.
        reference: The same for one image in plain numpy; `task.scores` is known.
        may_be: Whether the shapes would fit, which a person must confirm.
        preprocessing: What networks of this family are usually trained on.
        class_counts: How many classes the network may have; empty where its shapes do not show it.
        queries: How many objects the network finds at most, where that is fixed.
        class_output: The name of the output that has the class columns.
        scores: What makes scores of them; None where the graph does not show it.
        score_kinds: What a person may say of it.
        suppression: Which non-maximum suppression follows.
        nms_iou: Intersection over union of it, as the family's own code has it.
    """

    name: str
    choose_for: str
    recognise: Callable[[Exported], bool]
    build: Callable[[GraphBuilder, Exported, HeadTask, Size], Choice]
    reference: Callable[[Outputs, Exported, HeadTask, Size], Candidates]
    may_be: Callable[[Exported], bool] = lambda _: False
    preprocessing: Callable[[Exported], Preprocessing] = lambda _: Preprocessing()
    class_counts: Callable[[Exported], tuple[int, ...]] = lambda _: ()
    queries: Callable[[Exported], Dimension] = lambda _: None
    class_output: Callable[[Exported], str] = lambda network: str(network.first_output.name)
    scores: Callable[[Exported, int], ScoreKind | None] = lambda _network, _classes: "none"
    score_kinds: tuple[ScoreKind, ...] = ("none",)
    suppression: Suppression = "none"
    nms_iou: float = Selection().nms_iou


def letterboxed(_: Exported) -> Preprocessing:
    """RGB, 0 to 1, centred letterbox: what Ultralytics' YOLOs and the built-in networks expect."""
    return Preprocessing(fit="letterbox")


def rows_of_output(network: Exported) -> Dimension:
    """The number of rows of a first output (N, Q, K)."""
    return dimensions(network.first_output)[1]


def check_sizes(head: str, shape: tuple[Dimension, ...], wanted: Mapping[int, int]) -> None:
    """Compares sizes of some axes of a (N, ., .) output, as far as the export has them.

    Raises:
        GraphError: It has not three axes, or one of them is of another size.
    """
    if len(shape) != 3:  # noqa: PLR2004
        raise mismatch(head, f"output {shown_shape(shape)} has not three axes", "check the head")
    for axis, size in wanted.items():
        if isinstance(shape[axis], int) and shape[axis] != size:
            raise mismatch(
                head,
                f"output {shown_shape(shape)} must have {size} on axis {axis}",
                "check head, size and labels",
            )


def each_alone(kept: tuple[int, ...]) -> Groups:
    """Every kept class is a label of its own."""
    return tuple((one,) for one in kept)


def only_shape(network: Exported) -> tuple[Dimension, ...]:
    """The shape of the first output, if it has three axes and stands alone; else empty.

    YOLOv5's maps of five axes, which it was decoded from, may stand beside it.
    """
    shape, *others = (dimensions(value) for value in network.outputs.values())
    alone = all(len(one) == 5 for one in others)  # noqa: PLR2004
    return shape if alone and len(shape) == 3 else ()  # noqa: PLR2004


def classes_beside(network: Exported, axis: int, others: int) -> tuple[int, ...]:
    """The number of classes on an axis of the first output that has `others` columns too."""
    shape = dimensions(network.first_output)
    size = shape[axis] if len(shape) == 3 else None  # noqa: PLR2004
    return (size - others,) if isinstance(size, int) and size > others else ()


def is_dense(network: Exported) -> bool:
    """Whether an output has few rows of many columns: (N, 4 + C, A)."""
    _, middle, last = only_shape(network) or (None, 0, 0)
    return isinstance(middle, int) and middle > 4 and not (isinstance(last, int) and last < middle)  # noqa: PLR2004


def is_query_table(network: Exported) -> bool:
    """Whether an output has some hundred rows of some columns: (N, Q, K)."""
    _, middle, last = only_shape(network) or (None, 0, 0)
    if not (isinstance(middle, int) and isinstance(last, int)):
        return False
    return last > 4 and middle <= MOST_QUERIES and not is_dense(network)  # noqa: PLR2004
