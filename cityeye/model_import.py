"""Imports a model: reads what the command line names, and gives images to verify the graph on."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np
import yaml
from pydantic import ValidationError

from camera_adapters import Size, ViewSpec
from cityeye.errors import CommandError
from cityeye.images import images_in
from model_tools import golden_images
from model_tools.importing import (
    COCO_LABELS,
    Imported,
    ImportRequest,
    Inspected,
    ValidationImages,
    export_checkpoint,
    import_model,
)
from models import LABELS_FILE, MANIFEST_FILE, MAX_TEXT_BYTES, Manifest
from pipelines import tasks_of
from serving.api import fitted

COCO: Final = "coco"
CHECKPOINT: Final = ".pt"
GOLDEN_IMAGES: Final = 4
COMPARED_IMAGES: Final = 16
CALIBRATION_IMAGES: Final = 200
COMPARED_SHARE: Final = 5
"""One in so many of the int8 images is kept to compare with fp32 on."""


@dataclass(frozen=True, slots=True)
class ImportSource:
    """What an import is made from.

    Attributes:
        file: ONNX file or checkpoint.
        trusted: Whether a checkpoint may be loaded, which runs the code in it.
        golden: Folder of images to verify the graph on; drawn scenes if None.
        calibration: Folder of images to choose int8 ranges by.
    """

    file: Path
    trusted: bool = False
    golden: Path | None = None
    calibration: Path | None = None


def import_from(
    source: ImportSource, request: ImportRequest, repository: Path, on_step: Callable[[str], None]
) -> Imported:
    """Makes the next version.

    Raises:
        CommandError: Something that the command line names is not there or not usable.
        ModelError: The model is not usable, or not admitted.
    """
    if not source.file.is_file():
        raise CommandError(f"there is no file {source.file}")
    request = with_neighbours(source.file, request)
    images_for = partial(_validation_images, source, request)
    with tempfile.TemporaryDirectory(prefix="cityeye-export-") as folder:
        file = source.file
        if file.suffix == CHECKPOINT:
            if not source.trusted:
                raise CommandError(
                    f"{file} is a PyTorch checkpoint: loading it runs whatever code is in it. "
                    "If you trust where it comes from, add --trust-pt"
                )
            on_step(f"exporting {file.name} with ultralytics")
            file = Path(folder) / f"{source.file.stem}.onnx"
            export_checkpoint(request.name, source.file.absolute(), file, request.size)
        return import_model(file, request, repository, images_for, on_step=on_step)


def labels_from(given: str) -> tuple[str, ...]:
    """Class names: `coco`, or a file with one per line."""
    if given == COCO:
        return COCO_LABELS
    lines = _text(Path(given), "--labels").splitlines()
    names = tuple(line.strip() for line in lines if line.strip())
    if not names:
        raise CommandError(f"{given} names no class; write one name per line")
    return names


def mapping_from(path: Path) -> dict[str, str | None]:
    """Foreign class → label of ours or None, from YAML lines like `cell phone: null`."""
    text = _text(path, "--map")
    try:
        if any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(text, yaml.SafeLoader)):
            raise yaml.YAMLError("aliases are not wanted here")
        document = yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError) as error:
        raise CommandError(f"{path} is not YAML ({' '.join(str(error).split())})") from error
    if not isinstance(document, dict) or not document:
        raise CommandError(f"{path} must hold lines like `car: car` or `cell phone: null`")
    wrong = [key for key, value in document.items() if isinstance(value, dict | list)]
    if wrong:
        raise CommandError(f"{path}: {wrong[0]} must be a label or null")
    return {str(key): None if value is None else str(value) for key, value in document.items()}


def _validation_images(
    source: ImportSource, request: ImportRequest, inspected: Inspected
) -> ValidationImages:
    view = ViewSpec(Size(*inspected.package), inspected.fit)
    origin, tasks = "drawn street scenes", tasks_of(inspected.labels)
    if source.golden is None:
        shipped = golden_images(COMPARED_IMAGES)
        some = np.concatenate([fitted(image, view)[0] for image in shipped])
    else:
        some = images_in(source.golden, view, COMPARED_IMAGES)
        origin = f"from the folder {source.golden.name}"
    golden = some[:: max(1, len(some) // GOLDEN_IMAGES)][:GOLDEN_IMAGES]
    if source.calibration is not None:
        known = images_in(source.calibration, view, CALIBRATION_IMAGES)
        # Images that ranges were chosen by must not be compared on.
        held_out = np.arange(len(known)) % COMPARED_SHARE == 0
        return ValidationImages(golden, origin, known[~held_out], known[held_out], tasks)
    compared = None if request.precision == "fp32" else some
    return ValidationImages(golden, origin, compared=compared, tasks=tasks)


def with_neighbours(file: Path, request: ImportRequest) -> ImportRequest:
    """A graph that lies in a package brings labels and facts of that package along."""
    manifest_file = file.with_name(MANIFEST_FILE)
    if not manifest_file.is_file() or not file.with_name(LABELS_FILE).is_file():
        return request
    try:
        manifest = Manifest.model_validate(yaml.safe_load(_text(manifest_file, "the manifest")))
    except (yaml.YAMLError, ValidationError):
        return request
    known = {
        "labels": labels_from(str(file.with_name(LABELS_FILE))),
        "threshold": manifest.thresholds.default,
        # With a map, classes are others than those that the thresholds are of.
        "class_thresholds": manifest.thresholds.classes if request.mapping is None else {},
        "tasks": manifest.tasks,
        "licence": manifest.licence,
        "fit": manifest.input.fit,
        "training_data": manifest.source.training_data,
    }
    given = {key for key in known if getattr(request, key) not in (None, (), {})}
    return request.model_copy(update={key: known[key] for key in known if key not in given})


def _text(path: Path, option: str) -> str:
    try:
        if path.stat().st_size > MAX_TEXT_BYTES:
            raise CommandError(f"{path} has more than {MAX_TEXT_BYTES} bytes; check {option}")
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CommandError(f"{path} cannot be read ({error}); check {option}") from error
