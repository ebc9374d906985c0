"""`ImportRequest`: what somebody wants of an import; what it leaves open, the network decides."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict

from model_tools.graph.placement import ImageSize
from model_tools.graph.preprocessing import ColourOrder
from model_tools.heads.registry import HeadName
from model_tools.heads.task import ScoreKind
from models import Fit, Precision, Threshold

DEFAULT_THRESHOLD = 0.4
DEFAULT_MAX_BATCH = 16
UNKNOWN = "unknown"
AS_IMPORTED = (
    "As the import had them; `cityeye models eval --suggest-thresholds` measures what is best."
)

ImageBatch = npt.NDArray[np.uint8]
"""(K, H, W, 3) RGB."""
RowTable = npt.NDArray[np.float32]
"""(K, M, 6): x1 y1 x2 y2 score class."""
Triple = tuple[float, float, float]


class ImportRequest(BaseModel):
    """What somebody wants of an import; None is what head, graph or file say.

    Attributes:
        file: Name of the file that is imported, for manifest and card.
        labels: Names of the network's classes.
        mapping: Foreign class name → label of ours, or None where the class is dropped; without
            a mapping every class is kept under its own name.
        head: Family of the output.
        scores: What makes scores of the class columns.
        size: Size of the images that the package takes.
        colour: Colour order that the network expects.
        scale: Factor on the values 0 to 255.
        mean: Subtracted after that, per channel.
        std: Divided by after that, per channel.
        fit: How an image of another aspect is brought to the package's and the network's size.
        padding: Value of 0 to 255 beside a letterboxed image.
        threshold: Confidence threshold of every class without one of its own.
        class_thresholds: Those of some classes of the package.
        source_of_thresholds: Where they come from, sentences for the card.
        nms_iou: Intersection over union of the non-maximum suppression.
        tasks: What the package is for; left to the importer if empty.
        licence: Of the weights.
        training_data: What the network was trained on.
        max_batch: Most images in one run, where the graph leaves it open.
        precision: Number format of the package's network.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    file: str
    labels: tuple[str, ...] | None = None
    mapping: dict[str, str | None] | None = None
    head: HeadName | None = None
    scores: ScoreKind | None = None
    size: ImageSize | None = None
    colour: ColourOrder | None = None
    scale: float | None = None
    mean: Triple | None = None
    std: Triple | None = None
    fit: Fit | None = None
    padding: float | None = None
    threshold: float | None = None
    class_thresholds: dict[str, Threshold] = {}
    source_of_thresholds: str = AS_IMPORTED
    nms_iou: float | None = None
    tasks: tuple[str, ...] = ()
    licence: str | None = None
    training_data: str | None = None
    max_batch: int = DEFAULT_MAX_BATCH
    precision: Precision = "fp32"

    @property
    def confidence_threshold(self) -> float:
        """The threshold that the manifest will have."""
        return DEFAULT_THRESHOLD if self.threshold is None else self.threshold

    def to_json(self) -> dict[str, Any]:
        """For the way into another process; `model_validate` makes the request again."""
        return self.model_dump(mode="json")
