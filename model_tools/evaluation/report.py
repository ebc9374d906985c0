"""`EvaluationReport`: how well a version finds labelled objects, for people and files.

Kept with the version under `evaluations/`, one file per dataset. What is no number is null there.
"""

from __future__ import annotations

import re
from datetime import datetime
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from model_tools.evaluation.coco import ClassMetrics, CocoMetrics
from model_tools.evaluation.datasets.labelled import DataFormat
from model_tools.evaluation.suggestion import ThresholdSuggestion
from models import EVALUATIONS, MAX_REPORT_BYTES, ModelPackage, PackageError, Precision, write_whole

MAX_NAME = 100


class EvaluationReport(BaseModel):
    """The content of `evaluations/<data>.json`; unknown keys are errors.

    Attributes:
        model: `name/version`.
        sha256: Checksum of the graph that was evaluated.
        precision: Number format of its network.
        data: Name of the dataset.
        form: How its labels were written.
        images: How many were evaluated.
        objects: How many there were to find.
        provider: Where it really ran: `cpu` or `cuda`.
        threads: Threads inside one run.
        threshold: The package's own, of classes without one of their own.
        left_out: Classes of the data that the package does not have or the map drops.
        unlabelled: Classes of the package that the data do not label.
        means: Means over the classes that have objects.
        classes: The classes that were evaluated, in the order of the package.
        suggested: What the images say about thresholds, if that was asked.
        at: When, in UTC.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

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
    means: CocoMetrics
    classes: tuple[ClassMetrics, ...]
    suggested: tuple[ThresholdSuggestion, ...] = ()
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
