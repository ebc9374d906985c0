"""Writing a package: manifest, labels and card beside a graph, in the one form that loads."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import yaml

from model_tools.graph.placement import ImageSize
from model_tools.heads.task import WrappedGraph
from model_tools.heads.wrapping import INPUT_NAME, OUTPUT_NAME
from model_tools.importing.request import DEFAULT_MAX_BATCH
from models import (
    CARD_FILE,
    GOLDEN_FILE,
    LABELS_FILE,
    MANIFEST_FILE,
    ONNX_FILE,
    Detector,
    GoldenSet,
    InputTensor,
    Manifest,
    ModelError,
    ModelPackage,
    OutputTensor,
    Source,
    Thresholds,
    sha256_of,
)


@dataclass(frozen=True, slots=True)
class PackageFacts:
    """What a package says about itself, besides what its graph shows."""

    name: str
    version: str
    tasks: tuple[str, ...]
    labels: tuple[str, ...]
    threshold: float
    licence: str
    source: Source
    card: str
    max_batch: int = DEFAULT_MAX_BATCH
    measured: Mapping[str, float] = field(default_factory=dict)


def write_package(
    out: Path, wrapped: WrappedGraph, size: ImageSize, facts: PackageFacts
) -> ModelPackage:
    """Writes `<out>/<name>/<version>/` around a graph of our own and loads it.

    Raises:
        PackageError: The result does not pass its own checks.
    """
    directory = out / facts.name / facts.version
    directory.mkdir(parents=True, exist_ok=True)
    onnx.save_model(wrapped.model, str(directory / ONNX_FILE))
    manifest = Manifest(
        name=facts.name,
        version=facts.version,
        tasks=facts.tasks,
        input=InputTensor(
            name=INPUT_NAME,
            width=size[0],
            height=size[1],
            dynamic_batch=wrapped.dynamic_batch,
            max_batch=wrapped.fixed_batch or facts.max_batch,
        ),
        output=OutputTensor(name=OUTPUT_NAME, rows=wrapped.rows),
        thresholds=Thresholds(default=facts.threshold),
        sha256=sha256_of(directory / ONNX_FILE),
        opset=wrapped.opset,
        licence=facts.licence,
        source=facts.source,
        measured=dict(facts.measured),
    )
    write_texts(directory, manifest, facts.labels, facts.card)
    return ModelPackage.load(directory)


def keep_golden(package: ModelPackage, images: npt.NDArray[np.uint8]) -> ModelPackage:
    """Keeps what a new package, known to be right, finds in some images as its golden rows.

    The images are (K, H, W, 3) uint8 RGB of its input size.

    Raises:
        ModelError: It cannot be run, or sees nothing in any of the images.
    """
    golden = GoldenSet(images, Detector(package).run(images))
    if not golden.shows_something:
        raise ModelError(str(package), "it sees nothing in its golden images; choose others")
    path = package.directory / GOLDEN_FILE
    golden.save(path)
    manifest = package.manifest.model_copy(update={"golden": sha256_of(path)})
    card = (package.directory / CARD_FILE).read_text(encoding="utf-8")
    write_texts(package.directory, manifest, package.labels, card)
    return ModelPackage.load(package.directory)


def write_texts(directory: Path, manifest: Manifest, labels: tuple[str, ...], card: str) -> None:
    """Writes everything of a package that is text."""
    text = yaml.safe_dump(manifest.model_dump(mode="json"), sort_keys=False, allow_unicode=True)
    (directory / MANIFEST_FILE).write_text(text, encoding="utf-8")
    (directory / LABELS_FILE).write_text("\n".join(labels) + "\n", encoding="utf-8")
    (directory / CARD_FILE).write_text(card, encoding="utf-8")


def settle(directory: Path) -> None:
    """Makes the files of a finished package readable, and safe from a power cut."""
    readable = (directory / MANIFEST_FILE).stat().st_mode
    for path in directory.iterdir():
        # The sandbox writes for its own user only; whoever may read the manifest may read all.
        path.chmod(readable)
    for path in [*directory.iterdir(), directory]:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
