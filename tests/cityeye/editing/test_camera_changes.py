"""Cameras are changed over the control API: file, city, history; with a city that takes notes."""

from __future__ import annotations

import os
import stat
import threading
from pathlib import Path

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from cityeye.config import load_config
from pipelines.access import AccessGate, Scope
from serving import DirectorError, RolloutError
from serving.api import access, configuration
from serving.api.access import ApiAccess
from tests.cityeye.editing.city import APPROACH, CITY, SQUARE, Caller, City


def test_a_zone_is_drawn_in_the_city_and_in_the_file_and_all_else_stays(engineer, city):
    status, answer = engineer.draw("zones", {"approach": APPROACH, "park": SQUARE})
    assert (status, answer["lines"]) == (200, ["camera gate: changed (zones and lines)"])
    assert city.text == Path(city.file).read_text("utf-8")
    expected = CITY.replace(
        "# measured in May\n",
        "# measured in May\n      park: [[0.0, 0.0], [1.0, 0.0], [1.0, 1.0]]\n",
    )
    assert city.text.startswith(expected)
    assert set(city.given[-1]) == {"gate", "yard"}
    shown = engineer.get("/cameras/gate/places")
    assert shown["zones"] == {"approach": APPROACH, "park": SQUARE}
    assert shown["revision"] == answer["revision"]
    assert load_config(city.file, {"GATE_PASSWORD": "x"}).digest == answer["revision"]


def test_a_zone_is_renamed_together_with_the_tasks_that_watch_it(engineer, city):
    body = {"revision": engineer.revision, "places": {"front": APPROACH, "park": SQUARE}}
    assert engineer.send("PUT", "/cameras/gate/places/zones", body)[0] == 422
    body["watched"] = {"traffic": ["front", "park"]}
    assert engineer.send("PUT", "/cameras/gate/places/zones", body)[0] == 200
    rule = city.given[-1]["gate"].tasks[0].rules[0]
    assert [zone.name for zone in rule.zones] == ["front", "park"]
    assert engineer.get("/cameras/gate/places")["task_zones"] == {"traffic": ["front", "park"]}
    body = {"revision": engineer.revision, "places": {}, "watched": {"traffic": None}}
    assert engineer.send("PUT", "/cameras/gate/places/zones", body)[0] == 200
    assert engineer.get("/cameras/gate/places")["task_zones"] == {"traffic": None}
    body = {"revision": engineer.revision, "places": {}, "watched": {"parking": None}}
    status, answer = engineer.send("PUT", "/cameras/gate/places/zones", body)
    assert (status, "has no task 'parking'; it has traffic" in answer["detail"]) == (409, True)


def test_a_direction_goes_with_its_zone(engineer, city):
    assert engineer.draw("directions", {"approach": [[0.5, 0.5], [0.5, 0.9]]})[0] == 200
    body = {"revision": engineer.revision, "places": {}, "watched": {"traffic": None}}
    assert engineer.send("PUT", "/cameras/gate/places/zones", body)[0] == 200
    shown = engineer.get("/cameras/gate/places")
    assert (shown["zones"], shown["directions"]) == ({}, {})


def test_masks_lines_and_schedules(engineer, city):
    assert engineer.draw("masks", {"tree": SQUARE})[0] == 200
    assert engineer.draw("lines", {"exit": [[0.1, 0.9], [0.9, 0.9]]})[0] == 200
    body = {"revision": engineer.revision, "schedules": {"traffic": ["mon-fri 07:00-19:00"]}}
    assert engineer.send("PUT", "/cameras/gate/schedules", body)[0] == 200
    shown = engineer.get("/cameras/gate/places")
    assert shown["masks"] == {"tree": SQUARE}
    assert shown["schedules"] == {"traffic": ["mon-fri 07:00-19:00"]}
    rule = city.given[-1]["gate"].tasks[0].rules[0]
    assert rule.schedule is not None
    assert [mask.name for mask in rule.masks] == ["tree"]
    body = {"revision": engineer.revision, "schedules": {"traffic": None}}
    assert engineer.send("PUT", "/cameras/gate/schedules", body)[0] == 200
    assert city.given[-1]["gate"].tasks[0].rules[0].schedule is None
    assert engineer.draw("masks", {})[0] == 200
    assert "masks" not in city.text


def test_all_kinds_are_drawn_in_one_change(engineer, city):
    drawn = {
        "zones": {"lane": SQUARE},
        "directions": {"lane": [[0.5, 0.2], [0.5, 0.8]]},
        "lines": {"exit": [[0.1, 0.9], [0.9, 0.9]]},
    }
    watched = {"zones": {"traffic": ["lane"]}, "lines": {"traffic": ["exit"]}}
    body = {"revision": engineer.revision, "drawn": drawn, "watched": watched}
    body["schedules"] = {"traffic": ["mon-fri 07:00-19:00"]}
    assert engineer.send("PUT", "/cameras/gate/places", body)[0] == 200
    assert len(city.given) == 1, "the camera is opened anew once"
    shown = engineer.get("/cameras/gate/places")
    assert {kind: shown[kind] for kind in drawn} == drawn
    assert shown["task_lines"] == {"traffic": ["exit"]}
    assert "traffic.congestion" in shown["task_rules"]["traffic"]
    rule = city.given[-1]["gate"].tasks[0].rules[0]
    assert rule.zones[0].direction == ((0.5, 0.2), (0.5, 0.8))
    assert rule.schedule is not None
    body = {"revision": engineer.revision, "drawn": {"zones": {}}}
    status, answer = engineer.send("PUT", "/cameras/gate/places", body)
    assert (status, answer["problems"][0]["key"]) == (422, "cameras[0].tasks.traffic.zones[0]")
    assert engineer.send("POST", "/config/undo", {})[0] == 200
    assert city.text.startswith(CITY), "one undo takes all of it back"


@pytest.mark.parametrize(
    ("kind", "places", "key", "says"),
    [
        ("zones", {}, "cameras[0].tasks.traffic.zones", "approach"),
        (
            "zones",
            {"approach": [[0.1, 0.1], [0.9, 0.9], [0.9, 0.1], [0.1, 0.9]]},
            "cameras[0].zones.approach",
            "cross",
        ),
        ("lines", {"exit": [[0.5, 0.5], [0.5, 0.5]]}, "cameras[0].lines.exit", ""),
    ],
)
def test_what_is_not_valid_is_refused_with_its_key_and_nothing_changes(
    engineer, city, kind, places, key, says
):
    before = city.text
    status, answer = engineer.draw(kind, places)
    assert status == 422
    (problem,) = answer["problems"]
    assert problem["key"].startswith(key)
    assert says in problem["what"] + problem["remedy"]
    assert problem["key"] in answer["detail"]
    assert (city.text, city.given) == (before, [])
    assert engineer.get("/config/versions")["versions"] == []


def test_of_two_who_change_at_once_the_second_is_told(engineer, city):
    revision = engineer.revision
    assert engineer.draw("zones", {"approach": SQUARE}, revision)[0] == 200
    status, answer = engineer.draw("masks", {"tree": SQUARE}, revision)
    assert (status, "changed since you read it" in answer["detail"]) == (409, True)
    assert len(city.given) == 1
    together = []
    revision = engineer.revision

    def draw(number: int) -> None:
        together.append(engineer.draw("masks", {f"m{number}": SQUARE}, revision)[0])

    threads = [threading.Thread(target=draw, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(together) == [200, 409, 409, 409, 409, 409]
    assert len(engineer.get("/cameras/gate/places")["masks"]) == 1


def test_what_somebody_changes_by_hand_is_not_taken_along_or_lost(engineer, city):
    by_hand = CITY.replace("10.0.0.6", "10.0.0.7").replace("# The eye", "# The new eye")
    city.write(by_hand)
    status, answer = engineer.draw("masks", {"tree": SQUARE})
    assert (status, "`cityeye apply` takes it" in answer["detail"]) == (409, True)
    assert (city.text.startswith(by_hand), city.given) == (True, [])
    assert city.changes.apply(False).done
    assert engineer.draw("masks", {"tree": SQUARE})[0] == 200
    assert "10.0.0.7" in city.text


def test_a_comment_by_hand_is_applied_like_any_change(engineer, city):
    city.write(CITY.replace("# The eye", "# The new eye"))
    assert engineer.draw("masks", {"tree": SQUARE})[0] == 409
    assert city.changes.apply(False).lines == (f"{city.file}: nothing has changed",)
    assert engineer.draw("masks", {"tree": SQUARE})[0] == 200
    assert "# The new eye" in city.text


def test_changes_are_taken_back_one_after_the_other(engineer, city, client):
    first, start = city.text, engineer.revision
    engineer.draw("masks", {"tree": SQUARE})
    second = city.text
    Caller(client, city.tokens, "Li", Scope.ENGINEER).draw("masks", {"tree": APPROACH})
    assert engineer.send("POST", "/config/undo", {})[0] == 200
    assert city.text == second
    assert engineer.send("POST", "/config/undo", {"revision": engineer.revision})[0] == 200
    assert (city.text, engineer.revision) == (first, start)
    status, answer = engineer.send("POST", "/config/undo", {})
    assert (status, answer["detail"]) == (409, "there is no change to take back")
    listed = engineer.get("/config/versions")["versions"]
    assert [(one["number"], one["who"], one["undone_by"]) for one in listed] == [
        (2, "Li", "Wang"),
        (1, "Wang", "Wang"),
    ]
    assert listed[0]["what"] == ["camera gate: changed (masks)"]
    assert len(city.given) == 4
    engineer.draw("masks", {"pole": SQUARE})
    assert engineer.send("POST", "/config/undo", {})[0] == 200
    assert city.text == first


def test_an_undo_loses_nothing_that_was_done_by_hand(engineer, city):
    engineer.draw("masks", {"tree": SQUARE})
    city.file.write_text(city.text.replace("10.0.0.6", "10.0.0.7"), "utf-8")
    assert city.changes.apply(False).done
    status, answer = engineer.send("POST", "/config/undo", {})
    assert (status, "changed by hand since change 1 (Wang" in answer["detail"]) == (409, True)
    assert "10.0.0.7" in city.text


def test_where_the_city_refuses_the_file_is_as_it_was(engineer, city):
    before = city.text
    city.error = RolloutError("the package traffic/2 was changed on disk")
    status, answer = engineer.draw("masks", {"tree": SQUARE})
    assert (status, answer["detail"]) == (409, "the package traffic/2 was changed on disk")
    assert city.text == before
    city.error = None
    assert engineer.get("/config/versions")["versions"] == []
    assert engineer.draw("masks", {"tree": SQUARE})[0] == 200


@pytest.mark.parametrize("director_fails", [True, False])
def test_what_was_given_and_not_done_is_said_and_tried_again(engineer, city, director_fails):
    if director_fails:
        city.error = DirectorError("the director does not answer")
    else:
        city.faults = {"gate": "camera gate: a slot hangs"}
    status, answer = engineer.draw("masks", {"tree": SQUARE})
    assert (status, answer["result"]) == (200, "not_taken")
    assert answer["lines"][-1].endswith("`cityeye apply` tries again")
    assert "tree" in city.text
    city.error, city.faults = None, {}
    assert city.changes.apply(False).lines == ("camera gate: changed (masks)",)
    assert engineer.send("POST", "/config/undo", {})[0] == 200


def test_a_file_that_cannot_be_written_is_named_and_nothing_is_done(engineer, city, monkeypatch):
    part = city.file.with_name("city.yaml.part")
    part.mkdir()
    status, answer = engineer.draw("masks", {"tree": SQUARE})
    assert (status, f"{city.file} cannot be written" in answer["detail"]) == (409, True)
    assert (city.given, engineer.get("/config/versions")["versions"]) == ([], [])
    part.rmdir()
    os.chmod(city.file, 0o640)
    assert engineer.draw("masks", {"tree": SQUARE})[0] == 200
    assert stat.S_IMODE(city.file.stat().st_mode) == 0o640


def test_earlier_versions_are_their_owners_alone(engineer, city):
    engineer.draw("masks", {"tree": SQUARE})
    kept = list((city.state / "configuration").iterdir())
    assert len(kept) == 2
    assert {stat.S_IMODE(one.stat().st_mode) for one in kept} == {0o600}


def test_a_camera_goes_and_comes_back(engineer, city):
    status, answer = engineer.send("DELETE", "/cameras/yard")
    assert (status, answer["lines"]) == (200, ["camera yard: removed"])
    assert (set(city.given[-1]), "yard" in city.text) == ({"gate"}, False)
    status, answer = engineer.send("DELETE", "/cameras/gate")
    assert (status, answer["detail"]) == (409, "camera gate is the only one, and a city needs one")
    assert engineer.send("POST", "/config/undo", {})[0] == 200
    assert set(city.given[-1]) == {"gate", "yard"}


def test_a_camera_that_is_not_there(engineer):
    assert engineer.send("GET", "/cameras/pond/places")[0] == 404
    assert engineer.send("DELETE", "/cameras/pond")[0] == 404
    assert engineer.draw("zones", {}, camera="pond")[0] == 404


@pytest.mark.parametrize(
    "places",
    [
        {"a": [[0.1, 0.1]]},
        {"a": [[2, 0], [0, 0], [1, 1]]},
        {"": SQUARE},
        {"a": "x"},
        {"a": [[0.1, 0.1]] * 500},
        [],
    ],
)
def test_what_is_no_place_does_not_reach_the_city(engineer, city, places):
    assert engineer.draw("zones", places)[0] == 422
    assert city.given == []


def test_a_name_cannot_read_the_environment(engineer, city):
    assert engineer.draw("masks", {"${OTHER}": SQUARE})[0] == 200
    assert list(engineer.get("/cameras/gate/places")["masks"]) == ["${OTHER}"]
    body = {"revision": engineer.revision, "schedules": {"traffic": ["${OTHER}"]}}
    assert engineer.send("PUT", "/cameras/gate/schedules", body)[0] == 422


def test_who_may_change(client, city):
    operator = Caller(client, city.tokens, "Zhao", Scope.OPERATOR)
    assert operator.draw("masks", {"tree": SQUARE})[0] == 403
    assert operator.send("DELETE", "/cameras/yard")[0] == 403
    assert operator.get("/cameras/gate/places")["zones"] == {"approach": APPROACH}
    assert city.given == []


def test_without_a_city_process_it_says_so(tmp_path, packages):
    city = City(tmp_path, packages)
    access.announce_access(ApiAccess(tokens=city.tokens.folder, hosts=frozenset({"testserver"})))
    try:
        app = FastAPI()
        app.include_router(configuration.router)
        app.add_middleware(AccessGate, policy=access.policy())
        caller = Caller(TestClient(app), city.tokens, "Wang", Scope.ENGINEER)
        status, answer = caller.send("GET", "/cameras/gate/places")
        assert (status, "city process does not answer" in answer["detail"]) == (503, True)
    finally:
        access.announce_access(None)
