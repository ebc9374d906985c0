"""`NetworkHead`: one family of networks, as an import sees it.

A module of this package says everything about a family: how its exports are recognised, what they
expect, how their output becomes boxes, scores and classes in the graph, and the same once more in
plain numpy. The second computation must not call the first, nor what the first is made of: a
mistake in the graph would hide in it. A head is chosen when a package is made; at run time every
package looks the same.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from model_tools.graph.exported import Exported
from model_tools.graph.preprocessing import Preprocessing
from model_tools.graph.selection import Choice, Selection
from model_tools.heads.graph_parts import HeadGraph
from model_tools.heads.numpy_parts import NumpyOutputs
from model_tools.heads.task import Candidates, ScoreKind, Suppression
from models.graph import Dimension, dimensions


@dataclass(frozen=True, slots=True)
class NetworkHead:
    """A family of outputs.

    Attributes:
        name: What `--head` calls it.
        choose_for: The output that it reads, to choose by.
        recognise: Whether names, shapes and operators leave no doubt that a network has this head.
        build: Adds decoding and selection to a graph; boxes stay in the network's pixels.
        reference: The same for one image in plain numpy.
        may_be: Whether the shapes would fit, which a person must confirm.
        preprocessing: What networks of this family are usually trained on.
        class_counts: How many classes the network may have; empty where its shapes do not show it.
        queries: How many objects the network finds at most, where that is fixed.
        class_output: The name of the output that has the class columns.
        classes_last: Whether they are its last columns, and not its first.
        scores: What makes scores of them; None where the graph does not show it.
        score_kinds: What a person may say of it.
        suppression: Which non-maximum suppression follows.
        nms_iou: Intersection over union of it, as the family's own code has it.
    """

    name: str
    choose_for: str
    recognise: Callable[[Exported], bool]
    build: Callable[[HeadGraph], Choice]
    reference: Callable[[NumpyOutputs], Candidates]
    may_be: Callable[[Exported], bool] = lambda _: False
    preprocessing: Callable[[Exported], Preprocessing] = lambda _: Preprocessing()
    class_counts: Callable[[Exported], tuple[int, ...]] = lambda _: ()
    queries: Callable[[Exported], Dimension] = lambda _: None
    class_output: Callable[[Exported], str] = lambda network: str(network.first_output.name)
    classes_last: bool = True
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
