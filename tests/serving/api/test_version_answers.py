"""What the control API tells of a version that was evaluated."""

from __future__ import annotations

import json
from pathlib import Path

from model_tools.evaluation.report import EvaluationReport, ReportedFigures
from models.package import ModelPackage
from serving.api.version_answers import version_detail
from tests.serving.packages import brightness_package


def report(package: ModelPackage, data: str) -> EvaluationReport:
    figures = ReportedFigures.model_validate(dict.fromkeys(ReportedFigures.model_fields, 0.5))
    facts = {"model": str(package), "sha256": package.manifest.sha256, "precision": "fp32"}
    facts |= {"data": data, "form": "coco", "provider": "cpu", "at": "2026-01-01T00:00:00Z"}
    numbers = {"images": 8, "objects": 20, "threads": 1, "threshold": 0.4}
    names = {"left_out": (), "unlabelled": (), "classes": (), "means": figures}
    return EvaluationReport.model_validate({**facts, **numbers, **names})


def test_kept_evaluations_are_told_by_the_name_of_their_data(tmp_path: Path) -> None:
    package = brightness_package(tmp_path)
    report(package, "street side/val").save(package)
    report(package, "night").save(package)
    (package.directory / "evaluations" / "spoilt.json").write_text("{")
    told = json.loads(version_detail(package).model_dump_json())["evaluations"]
    assert list(told) == ["night", "street-side-val"]
    assert told["night"]["means"]["ap50"] == 0.5
