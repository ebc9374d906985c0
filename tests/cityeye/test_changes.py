"""What is different between two files is found, named by its line, and never shown."""

from __future__ import annotations

import pytest

from cityeye.config import Changes, changes_between

CITY = """\
city: {name: Xinjin}
cameras:
  - id: gate
    source: rtsp://10.0.0.5/live
    username: viewer
    password: hunter2
    zones: {road: [[0.1, 0.1], [0.9, 0.1], [0.9, 0.9]]}
    tasks:
      traffic: {model: traffic, fps: 5, zones: [road]}
  - id: yard
    source: rtsp://10.0.0.6/live
    tasks:
      crowding: {model: crowding}
hub: {port: 8600}
"""
YARD = CITY[CITY.index("  - id: yard") : CITY.index("hub:")]
GATE = CITY[CITY.index("  - id: gate") : CITY.index("  - id: yard")]


@pytest.fixture
def changed(load_city):
    """The changes from `CITY` to another text."""

    def between(text: str) -> Changes:
        return changes_between(load_city(CITY), load_city(text))

    return between


def test_the_same_file_has_no_changes(changed):
    assert changed(CITY) == Changes((), ())


@pytest.mark.parametrize(
    "text",
    [
        CITY.replace("fps: 5, ", ""),
        CITY.replace("password: hunter2", 'password: "hunter2"  # as before'),
        CITY.replace(GATE + YARD, YARD + GATE),
        "# A comment.\n" + CITY,
    ],
    ids=["a default", "quotes", "order", "a comment"],
)
def test_what_means_the_same_is_no_change(changed, text):
    assert changed(text) == Changes((), ())


def test_cameras_are_added_and_removed(changed):
    (one,) = changed(CITY.replace(YARD, YARD + YARD.replace("yard", "park"))).cameras
    assert (str(one), one.line) == ("camera park: added", 14)
    (one,) = changed(CITY.replace(YARD, "")).cameras
    assert str(one) == "camera yard: removed"
    renamed = changed(CITY.replace("id: yard", "id: park")).cameras
    assert [str(one) for one in renamed] == ["camera park: added", "camera yard: removed"]


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        ("10.0.0.5/live", "10.0.0.7/live", "address"),
        ("hunter2", "hunter3", "login"),
        ("username: viewer", "username: admin", "login"),
        ("username: viewer", "username: viewer\n    transport: udp", "connection"),
        ("username: viewer", "username: viewer\n    priority: high", "priority"),
        ("username: viewer", "username: viewer\n    name: North", "name"),
        ("0.9, 0.9]]", "0.8, 0.9]]", "zones and lines"),
        (", zones: [road]", "", "zones and lines"),
        ("fps: 5", "fps: 6", "rate"),
        ("model: traffic,", "model: traffic/1,", "model"),
        ("fps: 5", "fps: 5, priority: low", "priority"),
        ("fps: 5", "fps: 5, thresholds: {classes: {car: 0.3}}", "thresholds"),
        ("fps: 5", "fps: 5, rules: {traffic.congestion: {confirm_s: 9}}", "rules"),
    ],
)
def test_a_camera_is_changed(changed, old, new, what):
    assert old in CITY
    changes = changed(CITY.replace(old, new, 1))
    (one,) = changes.cameras
    assert str(one) == f"camera gate: changed ({what})"
    assert one.line == 3
    assert not changes.restart


def test_several_changes_of_one_camera_are_one(changed):
    text = CITY.replace("10.0.0.5", "10.0.0.7").replace("fps: 5", "fps: 2")
    text = text.replace("      traffic:", "      littering: {model: littering}\n      traffic:")
    (one,) = changed(text).cameras
    assert one.what == ("address", "tasks", "rate")


@pytest.mark.parametrize(
    ("old", "new", "key", "line"),
    [
        ("Xinjin", "Chengdu", "city.name", 1),
        ("port: 8600", "port: 8700", "hub.port", 14),
        ("hub: {port: 8600}", "sinks: [{url: 'http://hub/'}]", "hub", 1),
        ("hub:", "api: {port: 8501}\nhub:", "api.port", 14),
        ("hub:", "state: other\nhub:", "state", 14),
        ("hub:", "workers: {cameras_per_worker: 2}\nhub:", "workers.cameras_per_worker", 14),
    ],
)
def test_what_needs_a_restart_is_named_with_its_line(changed, old, new, key, line):
    changes = changed(CITY.replace(old, new, 1))
    found = {problem.key: problem.line for problem in changes.restart}
    assert found[key] == line
    assert not changes.cameras
    assert all("Start the city anew" in problem.remedy for problem in changes.restart)


def test_a_secret_is_compared_and_never_shown(load_city):
    before = CITY.replace("hub:", "sinks: [{url: 'http://hub/', token: hunter4}]\nhub:")
    after = before.replace("hunter4", "hunter5")
    changes = changes_between(load_city(before), load_city(after))
    assert [problem.key for problem in changes.restart] == ["sinks"]
    assert "hunter" not in repr(changes) + str(changes.restart)


def test_a_secret_in_a_file_is_compared_by_what_the_file_holds(load_city, tmp_path):
    (tmp_path / "pw").write_text("hunter2", "utf-8")
    text = CITY.replace("password: hunter2", "password_file: pw")
    plain, before = load_city(CITY), load_city(text)
    assert changes_between(plain, before) == Changes((), ()), "the same password"
    (tmp_path / "pw").write_text("hunter3", "utf-8")
    (one,) = changes_between(before, before.reread()).cameras
    assert one.what == ("login",)
