"""`EvaluationReport`: how well a version finds what labels tell, for people and files.

Kept with the version under `evaluations/`, one file per dataset. What is no number is null there.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from model_tools.evaluation.coco_figures import ClassFigures, Figures, mean_figures
from model_tools.evaluation.curve import OperatingPoint
from model_tools.evaluation.datasets.labelled import DataFormat
from models.errors import PackageError
from models.object_store import write_whole
from models.package import ModelPackage, Precision
from models.package_files import EVALUATIONS, MAX_REPORT_BYTES

MAX_NAME = 100


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ReportedFigures(_Section):
    """COCO's twelve figures, from 0 to 1; null where there is nothing to find."""

    ap: float | None
    ap50: float | None
    ap75: float | None
    ap_small: float | None
    ap_medium: float | None
    ap_large: float | None
    ar1: float | None
    ar10: float | None
    ar100: float | None
    ar_small: float | None
    ar_medium: float | None
    ar_large: float | None

    @classmethod
    def of(cls, figures: Figures) -> ReportedFigures:
        """The same figures."""
        return cls(**{name: _known(value) for name, value in asdict(figures).items()})


class ReportedPoint(_Section):
    """What detections above a threshold are worth at overlap 0.50."""

    threshold: float | None
    precision: float | None
    recall: float | None

    @classmethod
    def of(cls, point: OperatingPoint) -> ReportedPoint:
        """The same point."""
        return cls(**{name: _known(value) for name, value in asdict(point).items()})


class ReportedClass(_Section):
    """How well one class is found; `best` is the threshold with the greatest F1."""

    label: str
    objects: int
    figures: ReportedFigures
    at_threshold: ReportedPoint
    best: ReportedPoint

    @classmethod
    def of(cls, one: ClassFigures) -> ReportedClass:
        """The same figures."""
        return cls(
            label=one.label,
            objects=one.objects,
            figures=ReportedFigures.of(one.figures),
            at_threshold=ReportedPoint.of(one.at_threshold),
            best=ReportedPoint.of(one.best),
        )


class EvaluationReport(_Section):
    """The content of `evaluations/<data>.json`; unknown keys are errors.

    Attributes:
        model: `name/version`.
        sha256: Checksum of the graph that was judged.
        precision: Number format of its network.
        data: Name of the dataset.
        form: How its labels were written.
        images: How many were judged.
        objects: How many there were to find.
        provider: Where it really ran: `cpu` or `cuda`.
        threads: Threads inside one run.
        threshold: The package's own.
        left_out: Classes of the data that the package does not have or the map drops.
        unlabelled: Classes of the package that the data do not label.
        means: Means over the classes that have objects.
        classes: The classes that were judged, in the order of the package.
        at: When, in UTC.
    """

    model: str
    sha256: str
    precision: Precision
    data: str
    form: DataFormat
    images: int
    objects: int
    provider: str
    threads: int
    threshold: float
    left_out: tuple[str, ...]
    unlabelled: tuple[str, ...]
    means: ReportedFigures
    classes: tuple[ReportedClass, ...]
    at: datetime

    def save(self, package: ModelPackage) -> Path:
        """Keeps it with a version, in place of an older one on data of the same name.

        Raises:
            PackageError: It cannot be written there.
        """
        folder = package.directory / EVALUATIONS
        path = folder / f"{file_name(self.data)}.json"
        if folder.is_symlink():
            raise PackageError(str(package), folder, "is a symbolic link", "remove it")
        try:
            write_whole(path, (self.model_dump_json(indent=2) + "\n").encode())
        except OSError as error:
            raise PackageError(
                str(package), path, f"cannot be written ({error.strerror})", "check the rights"
            ) from error
        return path


def reported(classes: Sequence[ClassFigures]) -> tuple[ReportedFigures, tuple[ReportedClass, ...]]:
    """Means and classes as a report has them."""
    means = ReportedFigures.of(mean_figures(classes))
    return means, tuple(ReportedClass.of(one) for one in classes)


def read_evaluations(directory: Path) -> tuple[EvaluationReport, ...]:
    """What is kept with a version, by the name of the data; what cannot be read is left out."""
    found = []
    for path in sorted((directory / EVALUATIONS).glob("*.json")):
        try:
            if path.stat().st_size <= MAX_REPORT_BYTES:
                found.append(EvaluationReport.model_validate_json(path.read_bytes()))
        except (OSError, ValidationError):
            continue
    return tuple(found)


def file_name(data: str) -> str:
    """The name of a dataset as the name of a file that a package may have."""
    return re.sub(r"[^A-Za-z0-9._@-]+", "-", data).lstrip("._@-")[:MAX_NAME] or "data"


def _known(value: float) -> float | None:
    return None if math.isnan(value) else value
