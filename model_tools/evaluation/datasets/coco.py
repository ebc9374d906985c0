"""COCO: one JSON file with `images`, `categories` and `annotations`.

Boxes are x, y, width, height in pixels. The format is described at
https://cocodataset.org/#format-data.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

import numpy as np
from pydantic import BaseModel, Field, FiniteFloat, StrictInt, StrictStr, ValidationError

from model_tools.evaluation.datasets.classes import MatchedClasses, matched
from model_tools.evaluation.datasets.labelled import Dataset, EvaluationImage, check_present, inside
from model_tools.evaluation.truth import GroundTruth
from models import DataError

_Id = StrictInt | StrictStr
_Extent = Annotated[FiniteFloat, Field(ge=0)]


class _Image(BaseModel):
    id: _Id
    file_name: StrictStr
    width: int | None = None
    height: int | None = None


class _Category(BaseModel):
    id: StrictInt
    name: StrictStr


class _Annotation(BaseModel):
    image_id: _Id
    category_id: StrictInt
    bbox: tuple[FiniteFloat, FiniteFloat, _Extent, _Extent]
    area: _Extent | None = None
    iscrowd: bool = False


class _Document(BaseModel):
    images: list[_Image]
    categories: list[_Category]
    annotations: list[_Annotation]


def read_coco(
    file: Path,
    labels: Sequence[str],
    mapping: Mapping[str, str | None] | None = None,
    images: Path | None = None,
) -> Dataset:
    """Reads a COCO file; images are in the order of their ids. See `read_dataset`.

    Without `images`, images are searched beside the file, in `images` beside it, and in the
    folder that COCO's own archives have: `val2017` for `annotations/instances_val2017.json`.
    """
    document = _document(file)
    classes = matched(file, [one.name for one in document.categories], labels, mapping)
    listed = sorted(document.images, key=lambda one: (isinstance(one.id, str), one.id))
    folder = images or _folder(file, listed)
    paths = [inside(folder, one.file_name, file) for one in listed]
    check_present(paths, file)
    seen = _seen(file, document, classes)
    return Dataset(
        name=file.stem,
        form="coco",
        images=[
            EvaluationImage(path, _objects(seen[one.id]), labelled_size=_size(one))
            for one, path in zip(listed, paths, strict=True)
        ],
        classes=classes,
    )


def _document(file: Path) -> _Document:
    try:
        document = _Document.model_validate_json(file.read_bytes())
    except OSError as error:
        raise DataError(file, f"cannot be read ({error.strerror})", "check its rights") from error
    except ValidationError as error:
        first, *others = error.errors(include_url=False)
        where = ".".join(str(part) for part in first["loc"])
        more = f" ({len(others)} more like it)" if others else ""
        problem = f"{where}: {first['msg']}" if where else first["msg"]
        raise DataError(
            file, f"is no COCO file: {problem}{more}", "correct it or export it again"
        ) from error
    if not document.annotations:
        raise DataError(file, "has no annotations", "give --data a file with labels")
    for kind, ids in (
        ("image", [one.id for one in document.images]),
        ("category", [one.id for one in document.categories]),
    ):
        if len(set(ids)) < len(ids):
            raise DataError(file, f"has the same {kind} id twice", "export it again")
    return document


def _seen(
    file: Path, document: _Document, classes: MatchedClasses
) -> dict[_Id, list[tuple[int, _Annotation]]]:
    """For each image its annotations with the package's class id."""
    rows = {one.id: row for one, row in zip(document.categories, classes.rows, strict=True)}
    seen: dict[_Id, list[tuple[int, _Annotation]]] = {one.id: [] for one in document.images}
    for index, one in enumerate(document.annotations):
        for kind, used, known in (
            ("category", one.category_id, one.category_id in rows),
            ("image", one.image_id, one.image_id in seen),
        ):
            if not known:
                raise DataError(
                    file, f"annotations.{index} has the unknown {kind} id {used}", "export it again"
                )
        row = rows[one.category_id]
        if row is not None:
            seen[one.image_id].append((row, one))
    return seen


def _objects(seen: Sequence[tuple[int, _Annotation]]) -> GroundTruth:
    boxes = np.array([one.bbox for _, one in seen], np.float64).reshape(-1, 4)
    own = boxes[:, 2] * boxes[:, 3]
    boxes[:, 2:] += boxes[:, :2]
    drawn = [one.area for _, one in seen]
    crowd = np.array([one.iscrowd for _, one in seen], np.bool_)
    return GroundTruth(
        boxes=boxes,
        class_ids=np.array([row for row, _ in seen], np.int64),
        ignore=crowd,
        crowd=crowd,
        areas=np.array(
            [a if t is None else t for t, a in zip(drawn, own, strict=True)], np.float64
        ),
    )


def _folder(file: Path, listed: Sequence[_Image]) -> Path:
    """Where the images probably lie: where the first one does."""
    beside = file.parent
    places = (beside, beside / "images", beside.parent / file.stem.rpartition("_")[2])
    for place in places if listed else ():
        if inside(place, listed[0].file_name, file).is_file():
            return place
    return beside


def _size(image: _Image) -> tuple[int, int] | None:
    if image.width is None or image.height is None:
        return None
    return image.width, image.height
