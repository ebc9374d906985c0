"""What the control API shows of a version that was evaluated."""

from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path

from model_tools.evaluation.coco import CocoMetrics
from model_tools.evaluation.report import EvaluationReport
from models.package import ModelPackage
from serving.api.versions import version_detail
from tests.serving.packages import brightness_package


def report(package: ModelPackage, data: str) -> EvaluationReport:
    means = dict.fromkeys((one.name for one in fields(CocoMetrics)), 0.5)
    facts = {"model": str(package), "sha256": package.manifest.sha256, "precision": "fp32"}
    facts |= {"data": data, "form": "coco", "provider": "cpu", "at": "2026-01-01T00:00:00Z"}
    numbers = {"images": 8, "objects": 20, "threads": 1, "threshold": 0.4}
    names = {"left_out": (), "unlabelled": (), "classes": (), "means": means}
    return EvaluationReport.model_validate({**facts, **numbers, **names})


def test_kept_evaluations_are_listed_by_the_name_of_their_data(tmp_path: Path) -> None:
    package = brightness_package(tmp_path)
    report(package, "street side/val").save(package)
    report(package, "night").save(package)
    (package.directory / "evaluations" / "spoilt.json").write_text("{")
    listed = json.loads(version_detail(package).model_dump_json())["evaluations"]
    assert list(listed) == ["night", "street-side-val"]
    assert listed["night"]["means"]["ap50"] == 0.5


def test_an_evaluation_of_an_earlier_version_is_still_read(tmp_path: Path) -> None:
    package = brightness_package(tmp_path)
    path = report(package, "night").save(package)
    kept = json.loads(path.read_text())
    point = {"threshold": None, "precision": 1.0, "recall": 0.5}
    kept["classes"] = [
        {
            "label": "car",
            "objects": 3,
            "figures": kept["means"],
            "at_threshold": point,
            "best": point,
        }
    ]
    path.write_text(json.dumps(kept))
    shown = json.loads(version_detail(package).model_dump_json())["evaluations"]["night"]
    assert shown["classes"][0]["metrics"]["ap"] == 0.5
    assert shown["classes"][0]["best"]["threshold"] is None
    kept["classes"][0]["unknown"] = 1
    path.write_text(json.dumps(kept))
    assert version_detail(package).evaluations == {}
