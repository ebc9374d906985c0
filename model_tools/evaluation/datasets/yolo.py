"""YOLO: a folder with one text file of boxes per image, and the class names beside.

A line is `class cx cy w h`, or `class x y x y …` around an outline, all in shares of the image.
The labels of `images/…/a.jpg` are in `labels/…/a.txt`, else beside the image; an image without
such a file shows nothing. The format is described at https://docs.ultralytics.com/datasets/detect.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import yaml
from pydantic import BaseModel, StrictInt, StrictStr, ValidationError

from model_tools.evaluation.datasets.classes import matched
from model_tools.evaluation.datasets.labelled import Dataset, EvaluationImage, check_present, inside
from model_tools.evaluation.truth import GroundTruth
from models import MAX_TEXT_BYTES, DataError, plain_yaml

YAML_ENDINGS = frozenset({".yaml", ".yml"})
IMAGE_ENDINGS = frozenset({".bmp", ".jpeg", ".jpg", ".png", ".webp"})
DATA_FILE, CLASSES_FILE = "data.yaml", "classes.txt"
MAX_LIST_BYTES = 64 * 1024 * 1024
BOX_NUMBERS, LEAST_OUTLINE = 4, 6
SLACK = 0.01
"""How far beyond the image's edge a share may lie, as tools round."""


class _Description(BaseModel):
    names: list[StrictStr] | dict[StrictInt, StrictStr]
    path: StrictStr = ""
    val: StrictStr | list[StrictStr] | None = None
    test: StrictStr | list[StrictStr] | None = None


def read_yolo(
    place: Path,
    labels: Sequence[str],
    mapping: Mapping[str, str | None] | None = None,
    images: Path | None = None,
) -> Dataset:
    """Reads a YOLO folder; images are in the order of their paths. See `read_dataset`.

    Without `images`, the images are those of `val`, else `test` in `data.yaml`, else those in
    `images`, else those in the folder itself.
    """
    listed_in, described = _description(place)
    names = described.names
    known = names if isinstance(names, dict) else dict(enumerate(names))
    classes = matched(listed_in, list(known.values()), labels, mapping)
    rows = dict(zip(known, classes.rows, strict=True))
    paths = list(_images(listed_in, described, images))
    check_present(paths, listed_in)
    files = [_label_file(path) for path in paths]
    if not any(files):
        raise DataError(
            listed_in, f"no image has labels, the first is {paths[0]}", "check the folder `labels`"
        )
    return Dataset(
        name=listed_in.parent.resolve().name,
        form="yolo",
        images=[
            EvaluationImage(path, _objects(file, rows), in_shares=True)
            for path, file in zip(paths, files, strict=True)
        ],
        classes=classes,
    )


def _description(place: Path) -> tuple[Path, _Description]:
    """The file that describes the folder, and what it says."""
    file = place / DATA_FILE if place.is_dir() else place
    plain_names = place / CLASSES_FILE
    if not file.is_file() and plain_names.is_file():
        lines = _text(plain_names, MAX_TEXT_BYTES).splitlines()
        return plain_names, _Description(names=[one.strip() for one in lines if one.strip()])
    if not file.is_file():
        raise DataError(
            file, "is not there", f"a YOLO folder names its classes in {DATA_FILE} or classes.txt"
        )
    try:
        content = plain_yaml(_text(file, MAX_TEXT_BYTES))
        return file, _Description.model_validate(content if isinstance(content, dict) else {})
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = f"{first['loc'][0]}: " if first["loc"] else ""
        raise DataError(file, f"{where}{first['msg']}", "correct it") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        problem = " ".join(str(error).split())
        raise DataError(file, f"is not YAML ({problem})", "correct it") from error


def _images(listed_in: Path, described: _Description, images: Path | None) -> Iterator[Path]:
    folder = listed_in.parent
    if images is not None:
        yield from _listed(images)
        return
    names = described.val or described.test
    if not names:
        beside = folder / "images"
        yield from _listed(beside if beside.is_dir() else folder)
        return
    for name in [names] if isinstance(names, str) else names:
        yield from _listed(_located(listed_in, described.path, name))


def _located(listed_in: Path, base: str, name: str) -> Path:
    """Where `val` leads. Tools write `path` and `../` for a place where the folder no longer is."""
    folder = listed_in.parent
    stripped = name
    while stripped.startswith("../"):
        stripped = stripped.removeprefix("../")
    for one in (folder / base / name, folder / name, folder / stripped):
        if one.exists() and one.resolve().is_relative_to(folder.resolve()):
            return one
    raise DataError(
        listed_in, f"{name!r} is not there inside {folder}", "give --images the folder of images"
    )


def _listed(place: Path) -> list[Path]:
    """The images in a folder, or those that a text file lists."""
    if place.is_dir():
        found = (one for one in place.rglob("*") if one.suffix.lower() in IMAGE_ENDINGS)
        return [inside(place, one.relative_to(place), place) for one in sorted(found)]
    lines = (line.strip() for line in _text(place, MAX_LIST_BYTES).splitlines())
    return sorted(inside(place.parent, line, place) for line in lines if line)


def _label_file(image: Path) -> Path | None:
    beside = image.with_suffix(".txt")
    parts = list(beside.parts)
    if "images" in parts:
        parts[len(parts) - 1 - parts[::-1].index("images")] = "labels"
    return next((one for one in (Path(*parts), beside) if one.is_file()), None)


def _objects(file: Path | None, rows: Mapping[int, int | None]) -> GroundTruth:
    """Objects in shares of the image."""
    boxes, class_ids = [], []
    for number, line in enumerate(_text(file, MAX_LIST_BYTES).splitlines() if file else (), 1):
        if not line.strip():
            continue
        label, box = _read(f"{file}:{number}", line, rows)
        row = rows[label]
        if row is not None:
            boxes.append(box)
            class_ids.append(row)
    table = np.array(boxes, np.float64).reshape(-1, 4)
    return GroundTruth.of(table, np.array(class_ids, np.int64))


def _read(
    place: str, line: str, rows: Mapping[int, int | None]
) -> tuple[int, npt.NDArray[np.float64]]:
    """Class of the data, and box x1 y1 x2 y2."""
    first, *others = line.split()
    try:
        label, numbers = float(first), np.array(others, np.float64)
    except ValueError:
        raise DataError(place, "holds something else than numbers", "correct it") from None
    if not np.isfinite([label, *numbers]).all():
        raise DataError(place, "holds a number that is not finite", "correct it")
    if label not in rows:
        raise DataError(place, f"has class {first}, which has no name", "name it or correct it")
    outline = len(numbers) >= LEAST_OUTLINE and len(numbers) % 2 == 0
    if len(numbers) != BOX_NUMBERS and not outline:
        raise DataError(
            place, f"has {len(others) + 1} numbers", "write `class cx cy w h` or an outline"
        )
    if not outline and numbers[2:].min() < 0:
        raise DataError(place, "has a box of negative size", "correct it")
    if numbers.min() < -SLACK or numbers.max() > 1 + SLACK:
        raise DataError(
            place, "has a number beyond 0 to 1", "write shares of the image, not pixels"
        )
    return int(label), _around(numbers) if outline else _box(numbers)


def _box(numbers: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    centre, half = numbers[:2], numbers[2:] / 2
    return np.concatenate([centre - half, centre + half])


def _around(numbers: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    points = numbers.reshape(-1, 2)
    return np.concatenate([points.min(0), points.max(0)])


def _text(file: Path, cap_bytes: int) -> str:
    try:
        if file.stat().st_size > cap_bytes:
            raise DataError(file, f"has more than {cap_bytes} bytes", "check what it is")
        return file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(file, f"cannot be read ({error})", "save it as UTF-8 text") from error
