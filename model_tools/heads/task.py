"""What a head must produce, and what it produces: the nouns of this package."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt
from onnx import ModelProto

from model_tools.graph.placement import ImageSize
from model_tools.graph.selection import Selection

ScoreKind = Literal["sigmoid", "softmax", "none"]
"""What makes scores of the network's class columns; `none` where the network gives scores."""

Suppression = Literal["none", "best class", "every class"]
"""Non-maximum suppression: none, on the best class of each point, or on every class of it."""

Groups = tuple[tuple[int, ...], ...]
"""Network class ids that make each of the package's labels."""

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

    size: ImageSize
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

    boxes: npt.NDArray[np.float64]
    scores: npt.NDArray[np.float64]
    classes: npt.NDArray[np.int64]


def each_alone(kept: tuple[int, ...]) -> Groups:
    """Every kept class is a label of its own."""
    return tuple((one,) for one in kept)
