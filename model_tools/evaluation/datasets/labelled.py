"""`EvaluationImage`: where an image lies and what there is to see in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np

from model_tools.evaluation.datasets.classes import MatchedClasses
from model_tools.evaluation.truth import GroundTruth
from models import DataError
from models.detections import areas

DataFormat = Literal["coco", "yolo"]


@dataclass(frozen=True, slots=True, eq=False)
class EvaluationImage:
    """An image on disk and its objects of the package's classes.

    Attributes:
        path: The image.
        objects: In pixels of the image, or in shares of its width and height if `in_shares`.
        in_shares: Whether box coordinates run from 0 to 1.
        labelled_size: Width and height in pixels as the labels give them; None if they do not.
    """

    path: Path
    objects: GroundTruth
    in_shares: bool = False
    labelled_size: tuple[int, int] | None = None

    def objects_in(self, width: int, height: int) -> GroundTruth:
        """The objects in pixels of the image, whose size is only known once it is opened.

        Raises:
            DataError: The labels were made for an image of another size.
        """
        if self.labelled_size is not None and self.labelled_size != (width, height):
            label_width, label_height = self.labelled_size
            raise DataError(
                self.path,
                f"has {width}x{height} pixels, its labels are for {label_width}x{label_height}",
                "use the images that were labelled",
            )
        if not self.in_shares:
            return self.objects
        boxes = self.objects.boxes * np.array([width, height, width, height], np.float64)
        return replace(self.objects, boxes=boxes, areas=areas(boxes))


@dataclass(frozen=True, slots=True, eq=False)
class Dataset:
    """Labelled images to evaluate a package with.

    Attributes:
        name: Name for people and files.
        form: How the labels were written.
        images: In the order in which they are evaluated, which decides between equal scores.
        classes: Which classes of the data are which of the package.
    """

    name: str
    form: DataFormat
    images: Sequence[EvaluationImage]
    classes: MatchedClasses


def inside(folder: Path, name: str | Path, listed_in: Path | str) -> Path:
    """The path of a file in a folder, wherever links lead.

    Args:
        folder: The folder.
        name: Relative name of the file, not trusted.
        listed_in: The file that names it, for the error.

    Raises:
        DataError: The name leads out of the folder.
    """
    path = folder / name
    try:
        if path.resolve().is_relative_to(folder.resolve()):
            return path
    except (OSError, ValueError, RuntimeError):
        pass  # Endless links and impossible names lead nowhere good either.
    raise DataError(
        listed_in, f"names {str(name)!r}, which is not inside {folder}", "give --images its folder"
    )


def check_present(paths: Sequence[Path], listed_in: Path | str) -> None:
    """Refuses a dataset whose images are not there.

    Raises:
        DataError: Images are missing; names the first and says how many.
    """
    if not paths:
        raise DataError(listed_in, "lists no image", "give --images a folder with images")
    missing = [path for path in paths if not path.is_file()]
    if missing:
        raise DataError(
            listed_in,
            f"{len(missing)} of {len(paths)} images are missing, the first is {missing[0]}",
            "give --images the folder in which they lie",
        )
