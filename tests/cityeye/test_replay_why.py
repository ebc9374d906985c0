"""Why rules fired in a recording, and what other rules would have found, from the command line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from cityeye.cli import main
from tests.camera_adapters.clips import TinyClip, write_clip
from tests.serving.packages import brightness_package

ROUND = {"version": "1", "min_persons": 1, "confirm_s": 0.6, "expire_s": 1}
SQUARE = [[0.1, 0.1], [0.9, 0.1], [0.9, 0.9], [0.1, 0.9]]


@pytest.fixture
def clip(tmp_path: Path) -> TinyClip:
    return write_clip(tmp_path / "yard.mp4", width=640, height=480)


@pytest.fixture
def city(tmp_path: Path) -> Path:
    brightness_package(tmp_path / "packages")
    return write_city(tmp_path / "city.yaml", {"crowding.density": ROUND})


def write_city(path: Path, rules: dict[str, Any], **more: Any) -> Path:
    task = {"model": "brightness", "fps": 5, "zones": ["square"], "rules": rules}
    camera = {"id": "gate", "source": "rtsp://192.0.2.1/live", "zones": {"square": SQUARE}}
    models = {"path": str(path.parent / "packages")}
    document = {"cameras": [{**camera, "tasks": {"crowding": task}}], "models": models, "hub": {}}
    return write(path, {**document, **more})


def write(path: Path, content: dict[str, Any]) -> Path:
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    return path


def rules_only(path: Path, **parameters: Any) -> Path:
    rules = {"crowding.density": {**ROUND, **parameters}}
    return write(path, {"tasks": {"crowding": {"zones": ["square"], "rules": rules}}})


def replay(capsys, clip: TinyClip, city: Path, *more: str) -> tuple[str, list[dict[str, Any]]]:
    """What is said, and the lines of JSON."""
    out = city.parent / "out.jsonl"
    arguments = ["replay", str(clip.path), "--camera", f"{city}#gate", "--json", str(out), *more]
    status = main(arguments)
    said = capsys.readouterr()
    assert status == 0, said.err
    return said.out, [json.loads(line) for line in out.read_text("utf-8").splitlines()]


def refused(capsys, clip: TinyClip, city: Path, *more: str) -> str:
    assert main(["replay", str(clip.path), "--camera", f"{city}#gate", *more]) == 1
    return str(capsys.readouterr().err)


def test_why_says_what_was_compared_with_what_and_how_far_it_is(capsys, clip, city):
    said, lines = replay(capsys, clip, city, "--why", "square@0.3", "--why", "square@0:00:02")
    early, late = (line for line in lines if line["type"] == "why")
    assert (early["at_s"], late["at_s"]) == (0.4, 2.0)
    (before,), (after,) = early["situations"], late["situations"]
    assert (before["stage"], before["fired"], after["stage"]) == ("confirming", False, "open")
    assert before["elapsed_s"] == pytest.approx(0.16)
    (persons,) = after["conditions"]
    assert persons == {
        "name": "persons",
        "value": 1.0,
        "limit": 0.8,
        "unit": "1",
        "at_least": True,
        "holds": True,
    }
    assert after["subjects"] == [{"track": 1, "label": "person"}]
    words = "crowding.density 1: not fired; confirming 0.2 of 0.6 s"
    assert f"why square at 0.4 s: view not watched, 1 tracks\n  {words}\n" in said
    assert "    persons 1, must be at least 1: yes\n    subjects: #1 person\n" in said
    assert "crowding.density 1: fired; open" in said
    # An answer stands right behind the frame that it is about.
    index = lines.index(early)
    assert (lines[index - 1]["type"], lines[index - 1]["at_s"]) == ("frame", 0.4)


def test_why_over_a_span_has_a_row_for_each_frame(capsys, clip, city):
    said, lines = replay(capsys, clip, city, "--why", "square@0.2..0.8")
    assert [line["at_s"] for line in lines if line["type"] == "why"] == [0.24, 0.4, 0.64, 0.8]
    assert "0.4 s  crowding.density 1  confirming 0.2 of 0.6 s  persons 1 >= 1 yes\n" in said


@pytest.mark.parametrize(
    ("question", "words"),
    [
        ("sqare@1", "no rule works at `sqare`; zones and lines: square"),
        ("square", "`square` is no question; write ZONE@SECONDS"),
        ("square@", "is no question"),
        ("square@2..1", "is no question"),
        ("square@1..", "is no question"),
        ("square@one", "is no question"),
        ("square@77", "the recording ends at 2.9 s"),
    ],
)
def test_a_question_that_has_no_answer_is_refused(capsys, clip, city, question, words):
    assert words in refused(capsys, clip, city, "--why", question)


def test_a_schedule_is_applied_where_it_is_known_when_the_recording_began(capsys, clip, city):
    armed = {**ROUND, "schedule": ["mon 07:00-08:00"]}
    write_city(city, {"crowding.density": armed}, city={"time_zone": "Asia/Shanghai"})
    said, lines = replay(capsys, clip, city)
    assert "schedules are not applied" in said
    assert "incident" in {line["type"] for line in lines}
    why = ("--why", "square@2.5")
    said, lines = replay(capsys, clip, city, "--begin", "2026-06-01T06:59:50", *why)
    assert "incident" not in {line["type"] for line in lines}
    assert "not armed; its schedule is mon 07:00-08:00 Asia/Shanghai" in said
    _, lines = replay(capsys, clip, city, "--begin", "2026-06-01T06:59:59", *why)
    (started, *_) = (line for line in lines if line["type"] == "incident")
    assert 1.0 <= started["opened_s"] <= 1.2


def test_rules_of_two_files_are_compared_in_one_pass(capsys, clip, city, monkeypatch):
    inferred: list[int] = []
    from serving.in_process import LoadedModel

    original = LoadedModel.infer

    def counted(self, images, rows, sent_at_s):
        inferred.append(len(images))
        return original(self, images, rows, sent_at_s)

    monkeypatch.setattr(LoadedModel, "infer", counted)
    strict = rules_only(city.parent / "strict.yaml", min_persons=2)
    slow = write_city(city.parent / "slow.yaml", {"crowding.density": {**ROUND, "confirm_s": 2}})
    said, lines = replay(
        capsys, clip, city, "--rules", str(strict), str(slow), "--rules", str(city)
    )
    (one,) = (line for line in lines if line["type"] == "comparison")
    assert (one["kind"], one["zone"]) == ("crowding.density", "square")
    found = {name: [it["opened_s"] for it in own] for name, own in one["found"].items()}
    assert found == {"city.yaml": [0.24], "strict.yaml": [], "slow.yaml": [0.24]}
    assert "in slow.yaml and city.yaml  crowding.density in square" in said.replace(
        "in city.yaml and slow.yaml", "in slow.yaml and city.yaml"
    )
    frames = [line for line in lines if line["type"] == "frame"]
    assert sum(inferred) == len(frames), "each frame once, whatever many rules get it"


def test_one_file_is_compared_with_the_rules_of_the_camera(capsys, clip, city):
    strict = rules_only(city.parent / "strict.yaml", min_persons=2)
    why = ("--why", "square@2")
    said, lines = replay(capsys, clip, city, "--rules", str(strict), *why)
    assert [one["rules"] for one in lines if one["type"] == "why"] == ["city.yaml", "strict.yaml"]
    assert "why square by the rules of strict.yaml at 2.0 s" in said
    assert "persons 1, must be at least 2: no" in said
    assert "rules of city.yaml and strict.yaml, compared:\n" in said
    assert "  only in city.yaml  crowding.density in square  0.2 to " in said
    same = rules_only(city.parent / "same.yaml")
    said, _ = replay(capsys, clip, city, "--rules", str(same))
    assert "  in both  crowding.density in square  city.yaml: 0.2 to " in said


def test_a_file_with_only_rules_may_draw_its_own_places(capsys, clip, city):
    rules = {"crowding.density": ROUND}
    own = {"masks": {"all": [[0, 0], [1, 0], [1, 1], [0, 1]]}}
    masked = write(city.parent / "masked.yaml", {**own, "tasks": {"crowding": {"rules": rules}}})
    said, _ = replay(capsys, clip, city, "--rules", str(masked))
    assert "only in city.yaml" in said


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (
            {"tasks": {"crowding": {"rules": {"crowding.density": {"min": 1}}}}},
            ":5: tasks.crowding",
        ),
        ({"tasks": {"crowding": {"model": "other"}}}, "tasks.crowding.model: the key has no place"),
        ({"tasks": {"traffic": {}}}, "tasks.traffic: the camera has no such task"),
        ({"tasks": ["crowding"]}, "there are no `tasks` with rules"),
        ({"tasks": {"crowding": None}}, "it is not a mapping"),
        ({"tasks": {"crowding": {"zones": "square"}}}, "is not a list"),
        ({"zones": {}}, "there are no `tasks` with rules"),
        ({"zonen": {}, "tasks": {"crowding": {"rules": {}}}}, "Did you mean `zones`?"),
        ({"cameras": []}, "nothing is given"),
    ],
)
def test_a_mistake_in_a_file_with_rules_is_said_with_its_line(capsys, clip, city, content, words):
    file = write(city.parent / "wrong.yaml", content)
    said = refused(capsys, clip, city, "--rules", str(file))
    assert f"{file}:" in said
    assert words in said


def test_a_second_recording_is_refused(capsys, clip, city):
    assert "give one recording" in refused(capsys, clip, city, "other.mp4")
