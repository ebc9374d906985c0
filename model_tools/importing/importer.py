"""The import: a file on an engineer's disk becomes the next version in a repository.

Whatever touches the file's content runs in the sandbox. The caller's process copies, renames and
writes text.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from model_tools.admission import admit
from model_tools.graph.placement import ImageSize
from model_tools.importing.building import CALIBRATION, COMPARED, IMAGES
from model_tools.importing.card import card_text
from model_tools.importing.request import UNKNOWN, ImageBatch, ImportRequest
from model_tools.importing.staging import Staging, next_version
from model_tools.importing.writing import settle, write_texts
from model_tools.sandbox import SandboxLimits, run
from models import (
    GOLDEN_FILE,
    MAX_ONNX_BYTES,
    ONNX_FILE,
    Fit,
    InputTensor,
    Manifest,
    ModelError,
    ModelPackage,
    OutputTensor,
    Source,
    Thresholds,
    sha256_of,
)
from models.admission import AdmissionReport
from models.detections import plain_label

INSPECT = "model_tools.importing.building:inspect"
BUILD = "model_tools.importing.building:build"
NETWORK_FILE = ".network.onnx"
IMAGES_FILE = ".images.npz"
CALIBRATION_FILE = ".calibration.npz"
COMPARED_FILE = ".compared.npz"
LIMITS = SandboxLimits(memory_mb=6144, total_s=3600.0, file_mb=1024)

Step = Callable[[str], None]


class RefusedError(ModelError):
    """Admission refused what was built; nothing of it is left in the repository."""


@dataclass(frozen=True, slots=True)
class ValidationImages:
    """Images for an import.

    Attributes:
        golden: (K, H, W, 3) uint8 RGB of the package's size, to verify the graph on.
        origin: Where they come from, for the card.
        calibration: Likewise, to choose int8 ranges by; None without int8.
        compared: Likewise, to compare another precision with fp32 on; None with fp32.
        tasks: What the package is for, where the request leaves it open.
    """

    golden: ImageBatch
    origin: str
    calibration: ImageBatch | None = None
    compared: ImageBatch | None = None
    tasks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Inspected:
    """How a file will be imported.

    Attributes:
        head: Family of its output.
        package: Size of the package's images.
        fit: How a camera's image is brought to that size.
        labels: What the package calls its classes.
        preprocessing: One line.
        scores: One line: what makes scores of class columns.
        notices: What the person should know.
        facts: All that inspection found out.
    """

    head: str
    package: ImageSize
    fit: Fit
    labels: tuple[str, ...]
    preprocessing: str
    scores: str
    notices: tuple[str, ...]
    facts: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Imported:
    """A version that is now in the repository.

    Attributes:
        package: The package at its place.
        inspected: How it was read.
        report: What admission says.
    """

    package: ModelPackage
    inspected: Inspected
    report: AdmissionReport


def import_model(
    file: Path,
    request: ImportRequest,
    root: Path,
    validation_images_for: Callable[[Inspected], ValidationImages],
    *,
    on_step: Step = lambda step: None,
) -> Imported:
    """Makes the next version of a package from an ONNX file.

    Args:
        file: The file.
        request: What is wanted of it.
        root: The repository.
        validation_images_for: Makes the images, once it is known what size they need.
        on_step: Called with what is being done.

    Raises:
        ModelError: The file cannot be used, or what was built is not admitted.
        OSError: The file cannot be read or the repository not be written.
    """
    with next_version(root, request.name) as staging:
        network = staging.directory / NETWORK_FILE
        _copy(file, network, request)
        origin = sha256_of(network)
        arguments: dict[str, Any] = {
            "request": request.to_json(),
            "network": str(network.absolute()),
            "beside": str(file.absolute().parent),
        }
        inspected = _inspected(_call(INSPECT, arguments, request, staging, on_step))
        images = validation_images_for(inspected)
        arguments |= _saved(images, staging)
        arguments["request"] |= {"scores": inspected.facts["scores"]}
        built = _call(BUILD, arguments, request, staging, on_step)
        for scratch in (NETWORK_FILE, IMAGES_FILE, CALIBRATION_FILE, COMPARED_FILE):
            (staging.directory / scratch).unlink(missing_ok=True)
        facts = {
            **inspected.facts,
            **built,
            "images": len(images.golden),
            "origin": images.origin,
        }
        tasks = request.tasks or images.tasks or (request.name,)
        manifest = _manifest(request, staging, inspected, facts, origin, tasks)
        card = card_text(
            manifest, inspected.labels, facts, request.mapping, request.source_of_thresholds
        )
        write_texts(staging.directory, manifest, inspected.labels, card)
        on_step("examining the result")
        report = admit(staging.directory)
        if not report.passed:
            raise RefusedError(f"{staging.name}/{staging.version}", report.reason)
        settle(staging.directory)
        place = staging.publish()
    return Imported(ModelPackage.load(place), inspected, report)


def _copy(file: Path, network: Path, request: ImportRequest) -> None:
    """A copy, so that what is inspected, built and recorded is one and the same file."""
    size = file.stat().st_size
    if size > MAX_ONNX_BYTES:
        raise ModelError(
            request.name, f"{file} has {size} bytes, more than {MAX_ONNX_BYTES}; export it smaller"
        )
    shutil.copyfile(file, network)


def _call(
    function: str, arguments: dict[str, Any], request: ImportRequest, staging: Staging, step: Step
) -> dict[str, Any]:
    return run(
        function,
        arguments,
        model=request.name,
        limits=LIMITS,
        on_step=step,
        writable=[staging.directory],
    )


def _inspected(facts: dict[str, Any]) -> Inspected:
    width, height = facts["package"]
    return Inspected(
        head=facts["head"],
        package=(int(width), int(height)),
        fit=facts["fit"],
        labels=tuple(facts["labels"]),
        preprocessing=facts["preprocessing"],
        scores=facts["scores_text"],
        notices=tuple(facts["notices"]),
        facts=facts,
    )


def _saved(images: ValidationImages, staging: Staging) -> dict[str, str]:
    """Images on the way into the sandbox."""
    directory = staging.directory.absolute()
    saved = {"out": str(directory)}
    for key, file, some in (
        (IMAGES, IMAGES_FILE, images.golden),
        (CALIBRATION, CALIBRATION_FILE, images.calibration),
        (COMPARED, COMPARED_FILE, images.compared),
    ):
        if some is not None:
            saved[key] = str(directory / file)
            np.savez(saved[key], images=some)
    return saved


def _thresholds(request: ImportRequest, inspected: Inspected) -> Thresholds:
    known = {plain_label(label): label for label in inspected.labels}
    own = {known.get(plain_label(name), name): at for name, at in request.class_thresholds.items()}
    return Thresholds(default=request.confidence_threshold, classes=own)


def _manifest(
    request: ImportRequest,
    staging: Staging,
    inspected: Inspected,
    facts: dict[str, Any],
    origin: str,
    tasks: tuple[str, ...],
) -> Manifest:
    fixed = facts["fixed_batch"]
    width, height = inspected.package
    across, down = facts["network"]
    described = facts["description"] or f"{inspected.head} network, {across}x{down}"
    return Manifest(
        name=request.name,
        version=staging.version,
        tasks=tasks,
        input=InputTensor(
            name=facts["input"],
            width=width,
            height=height,
            fit=inspected.fit,
            dynamic_batch=fixed is None,
            max_batch=fixed or request.max_batch,
        ),
        output=OutputTensor(name=facts["output"], rows=facts["rows"]),
        thresholds=_thresholds(request, inspected),
        sha256=sha256_of(staging.directory / ONNX_FILE),
        opset=facts["opset"],
        licence=request.licence or facts["licence"] or UNKNOWN,
        source=Source(
            architecture=described,
            training_data=request.training_data or UNKNOWN,
            file=request.file,
            sha256=origin,
            head=inspected.head,
            preprocessing=inspected.preprocessing,
            scores=inspected.scores,
        ),
        precision=facts["precision"],
        golden=sha256_of(staging.directory / GOLDEN_FILE),
        measured=facts["measured"],
    )
