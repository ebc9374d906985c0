"""`Head`: one family of networks, as an import sees it.

A module of this package says everything about a family: how its exports are recognised, what they
expect, how their output becomes boxes, scores and classes in the graph, and the same once more in
plain numpy. The second computation must not call the first, nor what the first is made of: a
mistake in the graph would hide in it. A head is chosen when a package is made; at run time every
package looks the same.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal, NamedTuple

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


class Head(ABC):
    """A family of outputs.

    Attributes:
        name: What `--head` calls it.
        choose_for: The output that it reads, to choose by.
        suppression: Which non-maximum suppression follows.
        nms_iou: Intersection over union of it, as the family's own code has it.
        score_kinds: What may make scores of its class columns.
    """

    name: ClassVar[str]
    choose_for: ClassVar[str]
    suppression: ClassVar[Suppression] = "none"
    nms_iou: ClassVar[float] = Selection().nms_iou
    score_kinds: ClassVar[tuple[ScoreKind, ...]] = ("none",)

    @abstractmethod
    def recognise(self, network: Exported) -> bool:
        """Whether names, shapes and operators leave no doubt that a network has this head."""

    def may_be(self, network: Exported) -> bool:
        """Whether the shapes would fit; a person must say so then."""
        del network
        return False

    def preprocessing(self, network: Exported) -> Preprocessing:
        """What networks of this family are usually trained on."""
        del network
        return Preprocessing()

    def class_counts(self, network: Exported) -> tuple[int, ...]:
        """How many classes the network may have; empty where its shapes do not tell."""
        del network
        return ()

    def queries(self, network: Exported) -> Dimension:
        """How many objects the network finds at most, where that is fixed."""
        del network
        return None

    def class_output(self, network: Exported) -> str:
        """The name of the output that has the class columns."""
        return network.first_output.name

    def scores(self, network: Exported, classes: int) -> ScoreKind | None:
        """What makes scores of its class columns; None where the graph does not show it."""
        del network, classes
        return "none"

    @abstractmethod
    def build(self, graph: GraphBuilder, network: Exported, task: HeadTask, size: Size) -> Choice:
        """Adds decoding and selection; boxes stay in the network's pixels.

        Args:
            graph: Where the nodes go.
            network: The network, whose outputs are tensors of the graph.
            task: What is wanted.
            size: Size of the network's image.

        Raises:
            GraphError: Its tensors are not those of the head.
        """

    @abstractmethod
    def reference(
        self, found: Mapping[str, Numbers], network: Exported, task: HeadTask, size: Size
    ) -> Candidates:
        """Everything that a network says about one image, in plain numpy.

        Args:
            found: Its outputs by name, without the batch axis.
            network: As it was given.
            task: What is wanted; `scores` is known.
            size: Size of the network's image.

        Raises:
            GraphError: It has another number of classes than are named.
        """

    def checked(self, shape: tuple[Dimension, ...], wanted: Mapping[int, int]) -> None:
        """Compares sizes of some axes of a (N, ., .) output, as far as the export has them.

        Raises:
            GraphError: It has not three axes, or one of them is of another size.
        """
        if len(shape) != 3:  # noqa: PLR2004
            raise mismatch(
                self.name, f"output {shown_shape(shape)} has not three axes", "check the head"
            )
        for axis, size in wanted.items():
            if isinstance(shape[axis], int) and shape[axis] != size:
                raise mismatch(
                    self.name,
                    f"output {shown_shape(shape)} must have {size} on axis {axis}",
                    "check head, size and labels",
                )


def each_alone(kept: tuple[int, ...]) -> Groups:
    """Every kept class is a label of its own."""
    return tuple((one,) for one in kept)


def only_shape(network: Exported) -> tuple[Dimension, ...]:
    """The shape of a network's only output, if it has one output with three axes; else empty."""
    shape = dimensions(network.first_output)
    return shape if len(network.outputs) == 1 and len(shape) == 3 else ()  # noqa: PLR2004


def classes_beside(network: Exported, axis: int, others: int) -> tuple[int, ...]:
    """The number of classes on an axis of the first output that has `others` columns too."""
    shape = dimensions(network.first_output)
    size = shape[axis] if len(shape) == 3 else None  # noqa: PLR2004
    return (size - others,) if isinstance(size, int) and size > others else ()
