"""Admission: a good version passes, and a report counts for exactly the files that it is about."""

from __future__ import annotations

import json
import stat
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml

from model_tools.admission import admit
from model_tools.admission.machine import left_behind
from model_tools.sandbox import SandboxLimits
from models.admission import AdmissionReport, is_admitted, read_report, why_not_admitted
from models.errors import ModelError
from models.package import ModelPackage
from tests.model_tools.hostile_graphs import good_rows, shown
from tests.model_tools.hostile_packages import describe, good_package, package_of
from tests.models.tiny import tiny_package, with_golden


@pytest.fixture(scope="module")
def examined(tmp_path_factory) -> tuple[ModelPackage, AdmissionReport, list[str]]:
    """A package around a real network, its report, and the steps on the way."""
    package = with_golden(tiny_package(tmp_path_factory.mktemp("packages")))
    steps: list[str] = []
    return package, admit(package.directory, threads=2, on_step=steps.append), steps


@pytest.fixture
def admitted(examined, tmp_path) -> ModelPackage:
    """A copy of the admitted package that a test may change."""
    package, _, _ = examined
    target = tmp_path / "tiny" / "1"
    target.mkdir(parents=True)
    for file in package.directory.iterdir():
        (target / file.name).write_bytes(file.read_bytes())
    return ModelPackage.load(target)


def snapshot(root: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def test_a_good_version_is_admitted(examined):
    package, report, steps = examined
    assert report.passed, report.reason
    assert [check.result for check in report.checks] == ["passed"] * 12
    assert all(check.sentence for check in report.checks)
    assert is_admitted(package)
    assert why_not_admitted(package) == ""
    assert steps[:3] == ["reading the files", "comparing checksums", "parsing the graph"]
    assert "measuring batches of 4" in steps


def test_the_report_says_what_was_measured_on_what(examined):
    package, report, _ = examined
    found = report.findings
    assert (report.model, report.threads, report.provider_asked) == ("tiny/1", 2, "cpu")
    assert found.sha256 == package.manifest.sha256
    assert found.golden == package.manifest.golden
    assert found.provider == "cpu"
    assert set(found.placement) <= {"CPUExecutionProvider"}
    assert [one.images for one in found.latency] == [1, 2, 4]
    assert all(0 < one.median_ms <= one.p95_ms for one in found.latency)
    best = max(one.images / one.median_ms * 1000 for one in found.latency)
    assert found.images_per_s == pytest.approx(best, rel=0.01)
    assert 30 < found.peak_memory_mb < 1000
    assert found.load_s > 0
    assert found.machine.onnxruntime
    assert found.machine.processor
    assert found.machine.cores > 0
    assert (datetime.now(UTC) - report.at).total_seconds() < 600


def test_the_report_is_kept_with_the_version_for_everybody_to_read(examined):
    package, report, _ = examined
    file = package.directory / "admission.json"
    assert read_report(package.directory) == report
    assert json.loads(file.read_text())["model"] == "tiny/1"
    assert stat.S_IMODE(file.stat().st_mode) == 0o644
    assert len(list(package.directory.iterdir())) == 6


def test_a_graph_of_fixed_batch_is_measured_with_that_batch(tmp_path):
    directory = package_of(tmp_path, fixed(shown(good_rows()), 2))
    edit(directory, lambda it: it["input"].update(dynamic_batch=False, max_batch=2))
    report = admit(directory)
    assert report.passed, report.reason
    assert [one.images for one in report.findings.latency] == [2]


def fixed(model, batch: int):
    for value in (model.graph.input[0], model.graph.output[0]):
        value.type.tensor_type.shape.dim[0].dim_value = batch
    return model


def edit(directory: Path, change) -> None:
    path = directory / "model.yaml"
    document = yaml.safe_load(path.read_text())
    change(document)
    path.write_text(yaml.safe_dump(document))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda it: (it / "admission.json").unlink(), "unchecked; run `cityeye models check tiny"),
        (lambda it: (it / "admission.json").write_text("{"), "admission.json cannot be read"),
        (lambda it: (it / "labels.txt").write_text("a\nb\nc\n"), "its labels have changed"),
        (lambda it: describe(it, golden="0" * 64), "its golden images have changed"),
        (lambda it: edit(it, lambda d: d["input"].update(max_batch=8)), "batch has grown to 8"),
        (lambda it: rewrite(it, model="other/1"), "is about another model"),
        (lambda it: rewrite(it, passed=False, reason="too slow"), "refused: too slow"),
        (lambda it: rewrite(it, passed="perhaps"), "admission.json cannot be read"),
        (lambda it: rewrite(it, more=1), "admission.json cannot be read"),
    ],
)
def test_a_version_that_changed_since_is_not_admitted(admitted, change, says):
    assert is_admitted(admitted)
    change(admitted.directory)
    package = ModelPackage.load(admitted.directory)
    assert says in why_not_admitted(package)
    assert not is_admitted(package)


def rewrite(directory: Path, **changes: object) -> None:
    path = directory / "admission.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_another_graph_under_the_old_report_is_not_admitted(admitted):
    package_of(admitted.directory.parents[1], shown(good_rows()))
    package = ModelPackage.load(admitted.directory)
    assert "is about another model" in why_not_admitted(package)


@pytest.mark.parametrize("change", [{"default": 0.6}, {"classes": {"car": 0.6}}])
def test_thresholds_never_change_in_silence(admitted, change):
    edit(admitted.directory, lambda it: it["thresholds"].update(change))
    reason = why_not_admitted(ModelPackage.load(admitted.directory))
    assert "its thresholds have changed since it was admitted; run `cityeye models check" in reason
    path = admitted.directory / "admission.json"
    report = json.loads(path.read_text())
    del report["findings"]["thresholds"]
    path.write_text(json.dumps(report))
    assert is_admitted(ModelPackage.load(admitted.directory)), "an earlier version's report"


def test_a_refused_version_keeps_the_reason_and_others_are_not_touched(admitted, tmp_path):
    other = package_of(tmp_path, shown(), "tiny")
    other.rename(other.with_name("2"))
    (tmp_path / "kept").mkdir()
    admitted_again = tmp_path / "tiny" / "2"
    edit(admitted_again, lambda it: it.update(version="2"))
    first = tiny_package(tmp_path, "first").directory
    before = snapshot(first)
    report = admit(admitted_again)
    assert not report.passed
    assert "does not give the golden rows" in report.reason
    assert [check.result for check in report.checks][-1] == "refused"
    assert report.checks[-1].sentence == report.reason
    assert report.checks[-1].name == "agreement"
    assert read_report(admitted_again) == report
    assert "refused: does not give" in why_not_admitted(ModelPackage.load(admitted_again))
    assert snapshot(first) == before


@pytest.mark.slow
def test_a_version_that_was_mended_is_admitted_again(tmp_path):
    directory = good_package(tmp_path)
    describe(directory, sha256="0" * 64)
    assert not admit(directory).passed
    describe(directory)
    assert admit(directory).passed
    assert is_admitted(ModelPackage.load(directory))


@pytest.mark.slow
def test_a_version_that_breaks_later_is_refused_in_the_place_of_its_report(tmp_path):
    directory = good_package(tmp_path)
    assert admit(directory).passed
    (directory / "labels.txt").write_text("person\ncar\n")
    assert "class 2, labels.txt names 2 classes" in admit(directory).reason
    report = read_report(directory)
    assert report is not None
    assert not report.passed


def test_a_wanted_gpu_that_is_not_there_is_a_refusal(examined, tmp_path):
    package, _, _ = examined
    report = admit(good_package(tmp_path), provider="cuda")
    from models.session import has_cuda

    if has_cuda():
        assert report.passed == (report.findings.provider == "cuda")
    else:
        assert report.reason.startswith("the installed ONNX Runtime has no CUDA provider")
        assert report.checks[-1].name == "loading"
    assert is_admitted(package)


def test_heavy_operators_that_a_gpu_leaves_behind_are_named():
    assert left_behind({"Shape": 9, "Gather": 4, "Concat": 2}) == ""
    assert left_behind({"Shape": 9, "MatMul": 1, "Conv": 12}) == "12 Conv, 1 MatMul"


def test_a_process_that_ends_early_leaves_the_checks_that_it_had_made(tmp_path):
    report = admit(good_package(tmp_path), limits=SandboxLimits(memory_mb=64))
    assert not report.passed
    assert report.checks[-1].result == "refused"
    assert report.checks[-1].sentence == report.reason
    report = admit(good_package(tmp_path, "other"), limits=SandboxLimits(total_s=0.2))
    assert "did not finish within 0.2 s" in report.reason
    assert report.findings.sha256 == ModelPackage.load(tmp_path / "other" / "1").manifest.sha256


def test_a_folder_that_is_not_there_is_refused(tmp_path):
    report = admit(tmp_path / "tiny" / "7")
    assert "tiny/7/model.yaml: is missing" in report.reason
    assert not (tmp_path / "tiny").exists()


def test_a_report_that_cannot_be_written_is_an_error(tmp_path):
    directory = good_package(tmp_path)
    (directory / "admission.json").mkdir()
    with pytest.raises(ModelError, match=r"admission\.json: cannot be written"):
        admit(directory)
    assert sorted(one.name for one in directory.iterdir() if one.name.startswith(".")) == []


def test_a_report_of_an_earlier_version_still_counts(admitted):
    path = admitted.directory / "admission.json"
    path.write_text(path.read_text().replace('"result": "passed"', '"verdict": "passed"'))
    assert '"verdict"' in path.read_text()
    assert is_admitted(admitted)
    assert [check.result for check in read_report(admitted.directory).checks] == ["passed"] * 12
