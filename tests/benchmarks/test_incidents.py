"""`cityeye bench incidents`: what it counts, what it asks of recordings, and a whole run."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from benchmarks.errors import BenchmarkError
from benchmarks.incident_path.case import drawn_case
from benchmarks.incident_path.expectation import ExpectedIncident, ReportedIncident, match
from benchmarks.incident_path.recordings import recorded_cases
from benchmarks.incident_path.report import comparison_table, metrics_of, tables_of
from benchmarks.incident_path.score import KindScore, MatchedCase, scores_of
from benchmarks.incident_path.watch import CaseFindings, loaded
from benchmarks.incidents import IncidentsBenchmark, spared
from benchmarks.result import BenchmarkResult, read_result
from cityeye.cli import main
from cityeye.commands.bench_incidents import camera_of
from simulation.clips import encode_scene
from simulation.scenes import incident_scene, scene_named

BAG = "littering.dropped_object"
JAM = "traffic.congestion"


def expected(start_s=20.0, end_s=60.0, zone="lawn", kind=BAG, **more) -> ExpectedIncident:
    return ExpectedIncident(kind, zone, start_s, end_s, **more)


def reported(announced_s=27.0, ended_s=64.0, zone="lawn", kind=BAG) -> ReportedIncident:
    return ReportedIncident(kind, zone, announced_s, announced_s - 6, ended_s, "low")


@pytest.mark.parametrize(
    ("reports", "found", "missed", "duplicates", "false"),
    [
        ([], 0, 1, 0, 0),
        ([reported()], 1, 0, 0, 0),
        ([reported(15.5)], 1, 0, 0, 0),
        ([reported(14.0)], 0, 1, 0, 1),
        ([reported(64.0)], 1, 0, 0, 0),
        ([reported(66.0)], 0, 1, 0, 1),
        ([reported(zone="path")], 0, 1, 0, 1),
        ([reported(kind=JAM)], 0, 1, 0, 1),
        ([reported(), reported(50.0)], 1, 0, 1, 0),
        ([reported(3.0), reported(), reported(50.0), reported(90.0)], 1, 0, 1, 2),
    ],
)
def test_a_report_is_right_once_a_duplicate_after_that_and_false_elsewhere(
    reports, found, missed, duplicates, false
):
    matching = match([expected()], reports)
    assert len(matching.found) == found
    assert len(matching.missed) == missed
    assert len(matching.duplicates) == duplicates
    assert len(matching.false) == false


def test_what_may_be_reported_counts_neither_way():
    allowed = expected(is_asked=False)
    assert match([allowed], []).missed == ()
    matching = match([allowed], [reported()])
    assert (matching.found, matching.false, matching.duplicates) == ((), (), ())
    both = match([allowed, expected(25.0)], [reported(30.0)])
    assert [one.start_s for one, _ in both.found] == [25.0]


def test_two_things_at_one_place_are_two_incidents():
    matching = match([expected(20.0), expected(40.0)], [reported(27.0), reported(47.0)])
    assert [one.start_s for one, _ in matching.found] == [20.0, 40.0]
    assert matching.duplicates == ()


def matched(name: str, reports: tuple[ReportedIncident, ...]) -> MatchedCase:
    case = drawn_case(incident_scene(1, name))
    return MatchedCase.of(case, CaseFindings(name, reports, 100.0, 0.0, 1.0, 500, 0, {}))


def test_scores_are_by_kind_and_hard_negatives_are_listed_with_what_was_raised():
    bag = matched("bag-left-1-1", ())
    (truth,) = bag.case.expected
    late = replace(reported(truth.start_s + 7.5, truth.end_s), zone=truth.zone)
    again = replace(late, announced_s=truth.start_s + 30)
    cases = [
        MatchedCase.of(bag.case, replace(bag.findings, reported=(late, again))),
        matched("bag-left-2-1", ()),
        matched("bag-picked-up-1-1", (reported(30.0, 40.0, "ground"),)),
    ]
    scores = scores_of(cases, {BAG: 6.0})
    score = scores[BAG]
    assert (score.found, score.missed, score.false, score.duplicates) == (1, 1, 1, 1)
    assert (score.precision, score.recall, score.f1) == (0.5, 0.5, 0.5)
    assert score.delays_s == pytest.approx([7.5])
    metrics = {one.name: one.median for one in metrics_of(scores, cases)}
    assert metrics["incidents.duplicates"] == 1
    assert metrics["incidents.raised_in_hard_negatives"] == 1
    tables = {one.title: one.rows for one in tables_of([one.case for one in cases], cases, scores)}
    ((name, _, words),) = tables["Hard negatives: what was reported"]
    assert name == "bag-picked-up-1-1"
    assert words == f"{BAG} in ground, 30 to 40 s"


def test_an_idle_rate_is_as_low_as_the_rules_of_a_task_allow():
    for story, idle in (("bag-left", 1.0), ("dispersal", 2.2)):
        case = drawn_case(incident_scene(1, f"{story}-1-1")).with_adaptive_fps(1.0, 10.0)
        (task,) = case.camera["tasks"].values()
        assert task["adaptive_fps"] == {"idle": idle, "near": 10.0}
        plan, _ = loaded(case, camera_of)
        assert plan.tasks[0].least_fps == idle, "and the configuration takes it"


def test_what_is_spared_is_what_a_configuration_says():
    case = drawn_case(incident_scene(1, "red-light-1-1"))
    wanted = IncidentsBenchmark(camera_of, Path("cache"), motion_gate_s=2.0, precision="int8")
    plan, models = loaded(spared(case, wanted), camera_of)
    assert plan.motion_gate_s == 2.0
    assert set(models) == {"traffic/1+int8"}
    plan, models = loaded(spared(case, IncidentsBenchmark(camera_of, Path("cache"))), camera_of)
    assert plan.motion_gate_s is None
    assert set(models) == {"traffic/1"}


def test_nothing_expected_and_nothing_reported_has_no_score():
    assert KindScore().f1 is None
    assert KindScore(missed=2).f1 == 0.0
    assert KindScore(found=3, false=1).precision == 0.75


def test_a_scene_whose_rule_does_not_exist_counts_in_no_figure():
    watched = incident_scene(1, "bag-left-1-1")
    (truth,) = watched.scene.incidents
    scene = replace(watched.scene, incidents=(replace(truth, kind="littering.unheard_of"),))
    case = drawn_case(replace(watched, scene=scene, rules={"littering.unheard_of": {}}))
    assert case.expected == ()
    assert not case.has_rules
    assert not case.is_hard_negative
    (table,) = tables_of([case], [], {})
    assert table.title == "No rule of this kind"
    assert table.rows == ((case.name, "littering.unheard_of"),)


ZONES = {
    "lawn": [[0.1, 0.3], [0.9, 0.3], [0.95, 0.98], [0.05, 0.98]],
    "sky": [[0, 0], [1, 0], [0, 0.1]],
}
CAMERA: dict[str, Any] = {
    "zones": ZONES,
    "tasks": {
        "littering": {
            "model": "littering",
            "zones": ["lawn", "sky"],
            "rules": {BAG: {"version": "1"}},
        }
    },
}
HEADS = {"model": "crowding", "zones": ["lawn"], "rules": {"crowding.head_count": {}}}
COUNTING = {"zones": ZONES, "tasks": {**CAMERA["tasks"], "crowding": HEADS}}
"""With a rule that only measures, and so has nothing to confirm."""

DESCRIPTION = {
    "camera": CAMERA,
    "expected": [
        {"kind": BAG, "zone": "lawn", "start_s": 13, "end_s": 24},
        {"kind": BAG, "zone": "sky", "start_s": 3},
    ],
}


@pytest.fixture(scope="module")
def clip(tmp_path_factory) -> Path:
    """The first seconds of a bag that is left on a path."""
    path = tmp_path_factory.mktemp("recordings") / "gate.mp4"
    scene = replace(scene_named("park-bag"), size_px=(640, 360), fps=5.0)
    encode_scene(scene, path, lambda scene, done, total: None, seconds=24.0)
    return path


def described(clip: Path, folder: Path, **changes: object) -> Path:
    (folder / clip.name).symlink_to(clip)
    file = folder / clip.with_suffix(".yaml").name
    file.write_text(yaml.safe_dump({**DESCRIPTION, **changes}), encoding="utf-8")
    return folder


def bench(*arguments: str) -> int:
    return main(["bench", "incidents", "--processes", "1", *arguments])


@pytest.fixture(scope="module")
def result(clip, tmp_path_factory) -> BenchmarkResult:
    """Of one recording with two expected incidents, one of which does not happen."""
    folder = tmp_path_factory.mktemp("described")
    out = folder / "out.json"
    assert bench("--clips", str(described(clip, folder)), "--json", str(out)) == 0
    return read_result(out)


def test_a_recording_goes_the_whole_path_from_its_images(result):
    assert result.metric(f"incidents.recall[kind={BAG}]").median == 0.5
    assert result.metric(f"incidents.precision[kind={BAG}]").median == 1.0
    assert 4.0 < result.metric(f"incidents.time_to_detect_s[kind={BAG}]").median < 9.0
    tables = {table.title: table.rows for table in result.tables}
    assert tables["What was missed, false or reported twice"] == (
        ("gate", "missed", f"{BAG} in sky, 3 to 86400 s"),
    )
    ((kind, *_, confirm_s),) = tables["By kind of incident"]
    assert (kind, confirm_s) == (BAG, 6.0)


def test_an_earlier_result_is_compared_metric_by_metric(result):
    now = [
        one.model_copy(update={"samples": (1.0,)}) if "recall" in one.name else one
        for one in result.metrics
    ]
    table = comparison_table("incidents-before", result, now)
    changed = {str(row[0]): row[3] for row in table.rows}
    assert changed[f"incidents.recall[kind={BAG}]"] == "better"
    assert changed[f"incidents.precision[kind={BAG}]"] == ""


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"expected": [{"kind": BAG, "zone": "lawn"}]}, "expected[0].start_s: Field required"),
        (
            {"expected": [{"kind": BAG, "zone": "lawn", "start_s": 9, "end_s": 4}]},
            "expected[0].end_s",
        ),
        ({"expekted": []}, "expekted: Extra inputs"),
        ({"camera": 3}, "camera: Input should be"),
        ({"expected": [{"kind": JAM, "zone": "lawn", "start_s": 1}]}, f"expected[0].kind: '{JAM}'"),
        (
            {"camera": COUNTING, "expected": [{"kind": BAG, "zone": "path", "start_s": 1}]},
            "expected[0].zone: 'path'",
        ),
        ({"camera": {**CAMERA, "zonse": {}}}, "camera.zonse: "),
        ({"camera": {"zones": ZONES}}, "camera.tasks: "),
    ],
)
def test_a_wrong_description_is_refused_by_file_and_key(clip, tmp_path, capsys, changes, problem):
    assert bench("--clips", str(described(clip, tmp_path, **changes))) == 1
    assert f"{tmp_path / 'gate.yaml'}: {problem}" in " ".join(capsys.readouterr().err.split())


def test_a_recording_without_a_description_and_a_folder_without_recordings_are_refused(tmp_path):
    with pytest.raises(BenchmarkError, match="holds no recording"):
        recorded_cases(tmp_path)
    with pytest.raises(BenchmarkError, match="there is no folder"):
        recorded_cases(tmp_path / "absent")
    (tmp_path / "gate.mp4").touch()
    with pytest.raises(BenchmarkError, match=r"gate\.mp4 needs gate\.yaml beside it"):
        recorded_cases(tmp_path)
    (tmp_path / "gate.yaml").write_text("a: [", encoding="utf-8")
    with pytest.raises(BenchmarkError, match=r"gate\.yaml is no YAML"):
        recorded_cases(tmp_path)


def test_an_unknown_scene_is_refused_with_those_that_there_are(capsys):
    assert bench("--scenes", "bag-*,beach") == 1
    said = capsys.readouterr().err
    assert "no scene 'beach'" in said
    assert "red-light" in said


def test_an_ablation_needs_clips_with_its_rule_before_anything_is_drawn(capsys):
    assert bench("--scenes", "crowd-1", "--ablate", "littering") == 1
    said = capsys.readouterr().err
    assert f"none of these clips has the rule {BAG}, which --ablate littering needs" in said


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_an_ablation_is_of_the_same_detections(capsys, tmp_path):
    names = ("--scenes", "bag-left-1", "--ablate", "littering", "--processes", "1")
    assert bench(*names, "--json", str(tmp_path / "result.json")) == 0
    result = read_result(tmp_path / "result.json")
    (table,) = (one for one in result.tables if one.title == f"Ablation of {BAG}, by its evidence")
    assert table.columns[0] == "evidence"
    assert [row[0] for row in table.rows] == ["both", "class", "static_change"]
    (own,) = (one.rows[0] for one in result.tables if one.title == "By kind of incident")
    assert table.rows[0][1:] == own[1:]
    assert len({row[1:] for row in table.rows}) > 1
