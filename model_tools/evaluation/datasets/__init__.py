"""Datasets: labelled images on disk, in the class numbering of a package.

Labels are read and checked as a whole, so that a mistake in them is said before a model runs;
images are opened one by one by the evaluation. File names inside a dataset are not trusted: what
they lead to lies inside its folder.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from model_tools.evaluation.datasets.classes import MatchedClasses
from model_tools.evaluation.datasets.coco import read_coco
from model_tools.evaluation.datasets.labelled import Dataset, EvaluationImage
from model_tools.evaluation.datasets.yolo import YAML_ENDINGS, read_yolo
from models import DataError

__all__ = ["Dataset", "EvaluationImage", "MatchedClasses", "read_dataset"]


def read_dataset(
    place: Path,
    labels: Sequence[str],
    mapping: Mapping[str, str | None] | None = None,
    images: Path | None = None,
) -> Dataset:
    """Reads the labels of a dataset; no image is opened.

    Args:
        place: A COCO file, a YOLO folder, or the `data.yaml` in one.
        labels: Class names of the package; row = class id.
        mapping: Class of the data → class of the package or None; plain spelling decides if None.
        images: Folder of the images, if they do not lie where the format has them.

    Raises:
        DataError: Something is missing or wrong; one sentence names the file, and the line.
    """
    if images is not None and not images.is_dir():
        raise DataError(images, "is no folder", "give --images the folder with the images")
    if place.is_dir() or place.suffix.lower() in YAML_ENDINGS:
        return read_yolo(place, labels, mapping, images)
    if not place.is_file():
        raise DataError(place, "is not there", "give --data a COCO file or a YOLO folder")
    return read_coco(place, labels, mapping, images)
