"""Every kind of mistake is named with its key, its line and what to do, and hides no other."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from textwrap import dedent
from typing import Literal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import Field

from cityeye.config import ConfigurationError, catalogue, load_config
from pipelines.rules import RULES
from pipelines.rules.rule import RuleParameters
from tests.levels import scaled

GOOD = """\
city: {name: Xinjin}
cameras:
  - id: gate
    source: rtsp://10.0.0.5/live
    place: {lon: 103.8}
    zones:
      road: [[0.1, 0.1], [0.9, 0.1], [0.9, 0.9]]
    tasks:
      traffic:
        model: traffic
        fps: 5
        zones: [road]
        rules: {traffic.congestion: {confirm_s: 6}}
hub: {port: 8600}
"""


def problems_of(tmp_path, packages, text: str, environment=None):
    file = tmp_path / "city.yaml"
    file.write_text(text + f"models: {{path: {packages}}}\n", encoding="utf-8")
    with pytest.raises(ConfigurationError) as caught:
        load_config(file, environment or {})
    return caught.value.problems


def problems_in(file):
    try:
        load_config(file, {})
    except ConfigurationError as error:
        return error.problems
    return ()


def test_the_file_that_the_mistakes_are_made_in_is_good(tmp_path, packages):
    file = tmp_path / "city.yaml"
    file.write_text(GOOD + f"models: {{path: {packages}}}\n", encoding="utf-8")
    assert len(load_config(file, {}).plans) == 1


@pytest.mark.parametrize(
    ("good", "bad", "line", "key", "said"),
    [
        # keys and types
        ("fps: 5", "fpss: 5", 11, "cameras[0].tasks.traffic.fpss", "Did you mean `fps`?"),
        ("city: {name:", "city: {nam:", 1, "city.nam", "Did you mean `name`?"),
        ("hub:", "hubb:", 14, "hubb", "Did you mean `hub`?"),
        ("fps: 5", "fps: fast", 11, "cameras[0].tasks.traffic.fps", "`fast` is not a number"),
        ("fps: 5", "fps:", 11, "cameras[0].tasks.traffic.fps", "the value is missing"),
        ("fps: 5", "fps: 0", 11, "cameras[0].tasks.traffic.fps", "`0` is below 0.05"),
        ("fps: 5", "fps: 31", 11, "cameras[0].tasks.traffic.fps", "`31` is above 30"),
        ("fps: 5", "fps: .nan", 11, "cameras[0].tasks.traffic.fps", "`nan`"),
        ("city: {name: Xinjin}", "city: Xinjin", 1, "city", "not a mapping"),
        ("name: Xinjin", "name: 2024-01-01", 1, "city.name", "in quotes"),
        ("name: Xinjin", "division: 510118", 1, "city.division", "in quotes"),
        ("port: 8600", "port: 86000", 14, "hub.port", "above 65535"),
        ("lon: 103.8", "lon: 190", 5, "cameras[0].place.lon", "above 180"),
        ("model: traffic", "zonez: x", 9, "cameras[0].tasks.traffic.model", "key is missing"),
        # cameras
        ("id: gate", "id: gate/1", 3, "cameras[0].id", "letters, digits"),
        ("id: gate", "id: 7", 3, "cameras[0].id", "in quotes"),
        ("id: gate", "id: .gate", 3, "cameras[0].id", "letters, digits"),
        ("rtsp://10.0.0.5", "http://10.0.0.5", 4, "cameras[0].source", "not a kind of source"),
        ("rtsp://10.0.0.5", "rtsp://", 4, "cameras[0].source", "cannot be read"),
        ("10.0.0.5", "10.0.0.5:99999", 4, "cameras[0].source", "cannot be read"),
        ("rtsp://10.0.0.5/live", "gone.mp4", 4, "cameras[0].source", "no such file"),
        ("rtsp://10.0.0.5/live", "city.yaml", 4, "cameras[0].source", "not named like a video"),
        ("place:", "password: x\n    place:", 5, "cameras[0].password", "without a name"),
        # zones
        ("[0.1, 0.1], ", "", 7, "cameras[0].zones.road", "at least 3 corners"),
        ("[0.9, 0.9]]", "[0.9, 1.9]]", 7, "cameras[0].zones.road", "outside the image"),
        ("[0.9, 0.9]]", "[900, 900]]", 7, "cameras[0].zones.road", "not pixels"),
        (
            "[0.9, 0.1], [0.9, 0.9]]",
            "[0.9, 0.9], [0.9, 0.1], [0.1, 0.9]]",
            7,
            "cameras[0].zones.road",
            "edges cross",
        ),
        ("[0.9, 0.9]]", "[0.5, 0.1]]", 7, "cameras[0].zones.road", "no area"),
        ("[0.9, 0.9]]", "[0.9]]", 7, "cameras[0].zones.road[2][1]", "ends before"),
        (
            "zones:\n      road",
            "ground: [[0, 0, 0, 0], [1, 0, 1, 0], [1, 1, 1, 1]]\n    zones:\n      road",
            6,
            "cameras[0].ground",
            "at least 4",
        ),
        # directions and lines
        (
            "    tasks:",
            "    directions: {raod: [[0.5, 0.1], [0.5, 0.9]]}\n    tasks:",
            8,
            "cameras[0].directions.raod",
            "Did you mean `road`?",
        ),
        (
            "    tasks:",
            "    lines: {road: [[0.1, 0.5], [0.9, 0.5]]}\n    tasks:",
            8,
            "cameras[0].lines.road",
            "a zone is called `road` too",
        ),
        (
            "    tasks:",
            "    lines: {exit: [[0.1, 0.5], [0.1, 0.5]]}\n    tasks:",
            8,
            "cameras[0].lines.exit",
            "move them apart",
        ),
        (
            "    tasks:",
            "    lines: {exit: [[0.1, 0.5], [0.1, 5]]}\n    tasks:",
            8,
            "cameras[0].lines.exit",
            "outside the image",
        ),
        (
            "    tasks:",
            "    ground: [[0, .5, 0, 50], [1, .5, 90, 50], [.6, 1, 3, 0], [.4, 1, 0, 0]]\n"
            "    lines: {exit: [[0.1, 0.1], [0.9, 0.1]]}\n    tasks:",
            9,
            "cameras[0].lines.exit",
            "on the horizon",
        ),
        (
            "zones: [road]",
            "lines: [exit]",
            12,
            "cameras[0].tasks.traffic.lines[0]",
            "the line `exit` is unknown",
        ),
        # tasks, models, rules
        (
            "fps: 5",
            "rule_set: traffic/9",
            11,
            "cameras[0].tasks.traffic.rule_set",
            "Known rule sets of this task: traffic/1",
        ),
        (
            "fps: 5",
            "thresholds: {classes: {persn: 0.3}}",
            11,
            "cameras[0].tasks.traffic.thresholds.classes.persn",
            "the class `persn` is unknown. Did you mean `person`?",
        ),
        (
            "fps: 5",
            "thresholds:\n          classes: {person: 0.3, Person: 0.4}",
            12,
            "cameras[0].tasks.traffic.thresholds.classes.Person",
            "named as `person` too",
        ),
        (
            "fps: 5",
            "thresholds: {default: 1}",
            11,
            "cameras[0].tasks.traffic.thresholds.default",
            "`1` is not below 1",
        ),
        (
            "fps: 5",
            "thresholds: {person: 0.3}",
            11,
            "cameras[0].tasks.traffic.thresholds.person",
            "Known keys: classes, default",
        ),
        ("traffic:\n", "trafic:\n", 9, "cameras[0].tasks.trafic", "Did you mean `traffic`?"),
        ("[road]", "[raod]", 12, "cameras[0].tasks.traffic.zones[0]", "Did you mean `road`?"),
        ("[road]", "[road, road]", 12, "cameras[0].tasks.traffic.zones[1]", "named twice"),
        ("[road]", "[]", 12, "cameras[0].tasks.traffic.zones", "nothing is given"),
        ("model: traffic", "model: trafic", 10, "cameras[0].tasks.traffic.model", "`traffic`"),
        ("model: traffic", "model: traffic/9", 10, "cameras[0].tasks.traffic.model", "traffic/2"),
        ("model: traffic", "model: crowding", 10, "cameras[0].tasks.traffic.model", "not made"),
        (
            "traffic.congestion",
            "traffic.congested",
            13,
            "cameras[0].tasks.traffic.rules.traffic.congested",
            "Did you mean `traffic.congestion`?",
        ),
        (
            "traffic.congestion",
            "crowding.density",
            13,
            "cameras[0].tasks.traffic.rules.crowding.density",
            "belongs to the task crowding",
        ),
        (
            "confirm_s: 6",
            "confirm: 6",
            13,
            "cameras[0].tasks.traffic.rules.traffic.congestion.confirm",
            "Did you mean `confirm_s`?",
        ),
        (
            "confirm_s: 6",
            "confirm_s: -6",
            13,
            "cameras[0].tasks.traffic.rules.traffic.congestion.confirm_s",
            "below 5",
        ),
        # the rest of the house
        ("hub: {port: 8600}", "hub: {port: 8500}", 14, "hub.port", "wanted by `api`"),
        ("hub: {port: 8600}", "hub: {host: 0.0.0.0}", 14, "hub.host", "there is no TLS"),
        ("hub: {port: 8600}", "hub: {key: city.yaml}", 14, "hub.key", "no `certificate`"),
        ("hub: {port: 8600}", "hub: {hosts: ['a/b']}", 14, "hub.hosts[0]", "hosts[0]"),
        ("hub: {port: 8600}", "hub: {silence_limit_s: 7.5}", 14, "hub.silence_limit_s", "below 8"),
        ("hub: {port: 8600}", "hub: {silence_limit_s: 9e9}", 14, "hub.silence_limit_s", "3600"),
        (
            "hub: {port: 8600}",
            "hub: {}\nretention: {hub: {days: 2}}",
            15,
            "retention.hub.days",
            "below 3",
        ),
        (
            "hub: {port: 8600}",
            "hub: {}\nworkers: {memory_mib: 4}",
            15,
            "workers.memory_mib",
            "4 is neither `auto` nor a number from 512 to",
        ),
        (
            "hub: {port: 8600}",
            "hub: {}\nworkers: {memory_mib: 4GB}",
            15,
            "workers.memory_mib",
            "MiB of memory such as `4096`",
        ),
        ("hub: {port: 8600}", "", 1, "", "nobody would receive the events"),
        (
            "hub: {port: 8600}",
            "hub: {}\nkeyframes: {folder: x, s3: {}}",
            15,
            "keyframes",
            "`folder` and `s3` are given. Give one of `folder:`, `s3:`.",
        ),
        (
            "hub: {port: 8600}",
            "sinks: [{url: ftp://hub/events}]",
            14,
            "sinks[0].url",
            "`ftp` is no kind of sink. Write an address that begins with http://, https://",
        ),
        (
            "hub: {port: 8600}",
            "sinks: [{url: 'http://hub/events', secret: short}]",
            14,
            "sinks[0].secret",
            "openssl rand",
        ),
        (
            "hub: {port: 8600}",
            "sinks: [{url: 'http://hub/events', secrt: x}]",
            14,
            "sinks[0].secrt",
            "Did you mean `secret`?",
        ),
        (
            "hub: {port: 8600}",
            "sinks: [{url: 'http://hub/events', read_timeout_s: 0}]",
            14,
            "sinks[0].read_timeout_s",
            "Give seconds without a byte of the answer",
        ),
        ("hub: {port: 8600}", "sinks: [{}]", 14, "sinks[0].url", "the key is missing"),
        ("hub: {port: 8600}", "hub: {database: hub.db}", 14, "hub.database", "sqlite:///"),
        # YAML
        ("fps: 5", "fps: 5\n        fps: 6", 12, "cameras[0].tasks.traffic.fps", "on line 11"),
        ("fps: 5", "fps: ${RATE}", 11, "cameras[0].tasks.traffic.fps", "`export RATE=...`"),
        ("name: Xinjin", "name: !!python/name:os.x y", 1, "city.name", "cannot be read"),
    ],
)
def test_a_mistake(tmp_path, packages, good, bad, line, key, said):
    assert good in GOOD
    problems = problems_of(tmp_path, packages, GOOD.replace(good, bad, 1))
    found = {(problem.line, problem.key): problem for problem in problems}
    assert (line, key) in found, [str(problem) for problem in problems]
    assert said in str(found[line, key])


def test_a_duplicate_id_names_the_first(tmp_path, packages):
    camera = dedent(GOOD.split("cameras:\n")[1].split("hub:", maxsplit=1)[0])
    indented = "".join(f"  {line}\n" for line in camera.splitlines())
    text = f"cameras:\n{indented}{indented}hub: {{}}\n"
    (problem,) = problems_of(tmp_path, packages, text)
    assert problem.key == "cameras[1].id"
    assert "line 2" in problem.what


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("", 1, "empty"),
        ("# nothing\n", 1, "empty"),
        ("- a\n- b\n", 1, "not a mapping"),
        ("just words\n", 1, "not a mapping"),
        ("city:\n  name: x\n\tdivision: y\n", 3, "tab"),
        ("city: {name: x\ncameras: []\n", 2, "not valid YAML"),
        ("city: 'x\n", 2, "not valid YAML"),
        ("a: &a [*a]\n", 1, "contains itself"),
        ("city: x\n---\ncity: y\n", 2, "not valid YAML"),
        ("? [a, b]\n: c\n", 1, "not plain text"),
        ("a: \x07\n", 1, "forbids"),
        ("\na: " + "[" * 200_000 + "\n", 2, "nested too deeply"),
        ("a: " + "{a: " * 40 + "1" + "}" * 40 + "\n", 1, "nested too deeply"),
    ],
)
def test_a_file_that_is_no_configuration(tmp_path, text, line, said):
    file = tmp_path / "city.yaml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigurationError) as caught:
        load_config(file, {})
    found = {(problem.line, said in problem.what) for problem in caught.value.problems}
    assert (line, True) in found, caught.value.problems


def test_a_file_that_is_not_there_or_not_text(tmp_path):
    with pytest.raises(ConfigurationError) as caught:
        load_config(tmp_path / "gone.yaml", {})
    assert "no such file" in caught.value.problems[0].what
    file = tmp_path / "city.yaml"
    file.write_bytes(b"city: 1\ncity: \xff\xfe\n")
    with pytest.raises(ConfigurationError) as caught:
        load_config(file, {})
    assert (caught.value.problems[0].line, "UTF-8" in caught.value.problems[0].what) == (2, True)


def test_aliases_cannot_unfold_without_end(tmp_path):
    bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
        f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 12)
    )
    file = tmp_path / "city.yaml"
    file.write_text(bomb, encoding="utf-8")
    with pytest.raises(ConfigurationError) as caught:
        load_config(file, {})
    assert "aliases" in caught.value.problems[0].what


def test_all_mistakes_are_reported_at_once_sorted_by_line(tmp_path, packages):
    text = (
        GOOD.replace("name: Xinjin", "nam: Xinjin")
        .replace("id: gate", "id: gate!")
        .replace("[0.9, 0.9]]", "[9, 9]]")
        .replace("model: traffic", "model: trafik")
        .replace("fps: 5", "fps: 99")
        .replace("[road]", "[rod]")
        .replace("confirm_s: 6", "confirm_s: soon")
        .replace("port: 8600", "port: 8500")
    )
    lines = [problem.line for problem in problems_of(tmp_path, packages, text)]
    assert lines == [1, 3, 7, 10, 11, 12, 13, 14]


@pytest.mark.parametrize(
    "address",
    [
        "rtsp://viewer:hunter2@10.0.0.5:99999/live",
        "rtsp://viewer:hunt/er2@10.0.0.5/live",
        "rtsp://viewer:12/34er2@10.0.0.5/live",
        "rtsp://viewer:/9er2@10.0.0.5/live",
        "rtsp://viewer:a@b/er2@10.0.0.5/live",
        "rtsp://viewer:12#/er2@10.0.0.5/live",
        "ftp://viewer:hunter2@10.0.0.5/live",
        "rtsp://viewer:hunter2@/live",
    ],
)
def test_no_message_repeats_a_password(tmp_path, packages, address):
    text = GOOD.replace("rtsp://10.0.0.5/live", address)
    (problem,) = problems_of(tmp_path, packages, text)
    assert problem.key == "cameras[0].source"
    assert "er2" not in str(problem)


@pytest.mark.parametrize(
    ("network", "source", "what"),
    [
        ("", "rtsp://169.254.169.254/live", "not in an allowed network"),
        ("", "rtsp://[fe80::1]/live", "not in an allowed network"),
        ("camera_network: {allow: [10.1.0.0/16]}", "rtsp://10.0.0.5/live", "not in an allowed"),
        ("camera_network: {ports: [8554]}", "rtsp://10.0.0.5/live", "port 554 is not"),
    ],
)
def test_an_address_where_no_camera_may_be(tmp_path, packages, network, source, what):
    text = GOOD.replace("rtsp://10.0.0.5/live", source) + f"\n{network}\n"
    (problem,) = problems_of(tmp_path, packages, text)
    assert (problem.key, what in problem.what) == ("cameras[0].source", True)
    assert "`camera_network:`" in problem.remedy


def test_two_logins_for_one_camera_are_a_mistake(tmp_path, packages):
    text = GOOD.replace("rtsp://10.0.0.5", "rtsp://a:b@10.0.0.5").replace(
        "    place:", "    username: c\n    password: d\n    place:"
    )
    (problem,) = problems_of(tmp_path, packages, text)
    assert "so do `username:` and `password:`" in problem.what


def test_a_broken_package_is_reported_once_per_task(tmp_path, packages):
    models = tmp_path / "models" / "traffic" / "1"
    models.mkdir(parents=True)
    (models / "model.yaml").write_text("name: traffic\n", encoding="utf-8")
    file = tmp_path / "city.yaml"
    file.write_text(GOOD + "models: {path: models}\n", encoding="utf-8")
    with pytest.raises(ConfigurationError) as caught:
        load_config(file, {})
    (problem,) = caught.value.problems
    assert problem.key == "cameras[0].tasks.traffic.model"
    assert "cannot be used" in problem.what


PIECES = st.sampled_from(
    [*GOOD, "\t", "\n", ": ", "- ", "&a ", "*a ", "<<: ", "{", "]", "!!int ", "'", '"\\e"']
)


@settings(
    max_examples=scaled(100),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(place=st.integers(0, len(GOOD)), cut=st.integers(0, 12), pieces=st.lists(PIECES, max_size=4))
def test_no_edit_of_a_file_leads_to_a_traceback(tmp_path, place, cut, pieces):
    text = GOOD[:place] + "".join(pieces) + GOOD[place + cut :]
    file = tmp_path / "city.yaml"
    file.write_text(text, encoding="utf-8")
    problems = problems_in(file)
    assert all(1 <= problem.line <= text.count("\n") + 2 for problem in problems)
    assert all(str(problem).isprintable() for problem in problems)


def test_a_rule_says_which_places_and_which_calibration_it_needs(tmp_path, packages, monkeypatch):
    rule = replace(RULES["traffic.congestion"], needs_direction=True, needs_ground=True)
    monkeypatch.setattr(catalogue, "RULES", {rule.kind: rule})
    key = "cameras[0].tasks.traffic.rules.traffic.congestion"
    (problem,) = problems_of(tmp_path, packages, GOOD)
    assert (problem.key, problem.line) == (key, 13)
    assert "the rule needs zones with a direction" in problem.what
    assert "`directions:`" in problem.remedy
    directed = GOOD.replace(
        "    tasks:", "    directions: {road: [[0.5, 0.1], [0.5, 0.9]]}\n    tasks:"
    )
    (problem,) = problems_of(tmp_path, packages, directed)
    assert (problem.key, problem.line) == (key, 14)
    assert "a calibrated camera" in problem.what


class TypedParameters(RuleParameters):
    mode: Literal["fast", "slow"] = Field(default="fast", description="`fast` or `slow`")
    labels: tuple[str, ...] = Field(default=("car",), description="labels", examples=["[car]"])
    pause: timedelta = Field(
        default=timedelta(minutes=1), le=timedelta(hours=1), description="seconds or `H:MM:SS`"
    )


@pytest.mark.parametrize(
    ("bad", "place", "said"),
    [
        ("mode: quick", "mode", "`quick` is not one of the possible words. Give `fast` or `slow`."),
        ("labels: car", "labels", "`car` is not a list. Give labels, for example `[car]`."),
        ("labels: [car, 7]", "labels[1]", "`7` is not text. Give labels"),
        ("pause: long", "pause", "`long` is not a duration. Give seconds or `H:MM:SS`."),
        ("pause: 7200", "pause", "is above 1 hour"),
        ("mode: slow, labels: [bus], pause: 0:10:00", "", ""),
    ],
)
def test_choices_lists_and_durations_are_checked_by_the_rule(
    tmp_path, packages, monkeypatch, bad, place, said
):
    rule = replace(RULES["traffic.congestion"], Parameters=TypedParameters)
    monkeypatch.setattr(catalogue, "RULES", {rule.kind: rule})
    file = tmp_path / "city.yaml"
    text = GOOD.replace("confirm_s: 6", bad) + f"models: {{path: {packages}}}\n"
    file.write_text(text, encoding="utf-8")
    problems = problems_in(file)
    assert [problem.key.rpartition("congestion.")[2] for problem in problems] == [place][
        : len(place)
    ]
    assert not said or said in str(problems[0])
