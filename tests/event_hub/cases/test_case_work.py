"""What people make of an incident is kept once, with who and when, and goes out as events."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from event_hub.cases.states import TRANSITIONS
from pipelines.access import Scope, TokenFile
from pipelines.event_case import CaseStates
from pipelines.event_schemas import schema_file
from tests.event_hub.cases.conftest import Act, actor
from tests.event_hub.conftest import Client, StartHub, running
from tests.event_hub.samples import in_city, incident

VERBS = {
    "confirmed": "confirm",
    "false_alarm": "false-alarm",
    "dispatched": "dispatch",
    "resolved": "resolve",
    "reopened": "reopen",
    "noted": "note",
}
WORDS: dict[str, dict[str, Any]] = {
    "false_alarm": {"reason": "poor_view"},
    "dispatched": {"to": "Street team 3"},
    "noted": {"text": "rain"},
}
WAYS = {
    "new": [],
    "confirmed": ["confirmed"],
    "false_alarm": ["false_alarm"],
    "dispatched": ["dispatched"],
    "resolved": ["confirmed", "resolved"],
}
"""What leads a new case to each state."""


def case_events(hub: Client) -> list[dict[str, Any]]:
    events = [one["event"] for one in hub.json("/api/events", limit="200")["events"]]
    return [one for one in events if one["type"].startswith("cityeye.case.")]


def test_a_case_is_worked_to_its_end(hub: Client, act: Act) -> None:
    untouched = hub.json("/api/incidents/i-1/case")
    assert (untouched["state"], untouched["revision"], untouched["history"]) == ("new", 0, [])
    act("confirm", revision=0)
    act("note", revision=1, text="two lorries\nand a van")
    act("dispatch", revision=2, to="Street team 3", text="bring cones")
    status, done = act("resolve", revision=3, text="cleared")
    assert (status, done["state"], done["to"], done["revision"]) == (
        200,
        "resolved",
        "Street team 3",
        4,
    )
    assert hub.json(f"/api/cases/{done['case_id']}") == done
    assert hub.json("/api/incidents/i-1/case") == done
    steps = [(one["action"], one["previous"], one["state"], one["text"]) for one in done["history"]]
    assert steps == [
        ("confirmed", "new", "confirmed", ""),
        ("noted", "confirmed", "confirmed", "two lorries\nand a van"),
        ("dispatched", "confirmed", "dispatched", "bring cones"),
        ("resolved", "dispatched", "resolved", "cleared"),
    ]
    assert {(one["by"]["name"], one["by"]["role"]) for one in done["history"]} == {
        ("first", "admin")
    }
    assert [one["number"] for one in done["history"]] == [1, 2, 3, 4]
    # What the incident itself did stands apart.
    assert [one["phase"] for one in hub.json("/api/incidents/i-1")["history"]] == ["started"]


@pytest.mark.parametrize("state", sorted(WAYS))
def test_only_what_the_table_allows_is_done(state: CaseStates, hub: Client, act: Act) -> None:
    for number, action in enumerate(WAYS[state]):
        assert act(VERBS[action], revision=number, **WORDS.get(action, {}))[0] == 200
    before = hub.json("/api/incidents/i-1/case")
    assert before["state"] == state
    for action, leads in TRANSITIONS.items():
        if state in leads:
            continue
        status, answer = act(VERBS[action], revision=before["revision"], **WORDS.get(action, {}))
        assert (status, f"in state {state} cannot be {action}" in json.dumps(answer)) == (409, True)
    assert hub.json("/api/incidents/i-1/case") == before
    for number, (action, leads) in enumerate(TRANSITIONS.items(), 2):
        if state in leads:
            own = f"i-{number}"
            hub.post(incident(own))
            for step, way in enumerate(WAYS[state]):
                act(VERBS[way], own, revision=step, **WORDS.get(way, {}))
            order = WORDS.get(action, {}) | {"revision": len(WAYS[state])}
            assert act(VERBS[action], own, **order)[1]["state"] == leads[state]


def test_two_people_never_overwrite_each_other(hub: Client) -> None:
    answers: list[tuple[int, Any]] = []

    def send(team: int) -> None:
        answers.append(actor(hub)("dispatch", revision=0, to=f"team {team}"))

    threads = [threading.Thread(target=send, args=(team,)) for team in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(status for status, _ in answers) == [200, 409, 409, 409]
    (kept,) = [answer for status, answer in answers if status == 200]
    refused = json.dumps([answer for status, answer in answers if status != 200])
    assert "the case is at revision 1 in state dispatched" in refused
    assert hub.json("/api/incidents/i-1/case")["to"] == kept["to"]


def test_the_same_order_again_changes_nothing(hub: Client, act: Act, tmp_path: Path) -> None:
    first = act("dispatch", revision=0, to="team 1")
    assert act("dispatch", revision=0, to="team 1") == first
    act("note", revision=1, text="on the way")
    again = act("dispatch", revision=0, to="team 1")
    assert (again[0], again[1]["revision"]) == (200, 2)
    assert len(case_events(hub)) == 1
    # The same words of somebody else are another order.
    other = TokenFile(tmp_path / "access").issue("other", Scope.OPERATOR)
    headers = {"Authorization": f"Bearer {other}"}
    path = f"{hub.url}/api/incidents/i-1/dispatch"
    order = {"revision": 0, "to": "team 1"}
    assert hub.http.request("POST", path, json=order, headers=headers).status == 409


WRONG: list[tuple[str, dict[str, Any]]] = [
    ("confirm", {}),
    ("confirm", {"revision": -1}),
    ("confirm", {"revision": 0, "text": "a\u0000b"}),
    ("confirm", {"revision": 0, "text": "x" * 2001}),
    ("confirm", {"revision": 0, "unknown": 1}),
    ("false-alarm", {"revision": 0}),
    ("false-alarm", {"revision": 0, "reason": "because"}),
    ("false-alarm", {"revision": 0, "reason": "other", "text": " "}),
    ("dispatch", {"revision": 0, "to": "  "}),
    ("note", {"revision": 0, "text": "  "}),
]


def test_an_order_that_says_too_little_is_refused(hub: Client, act: Act) -> None:
    assert {(verb, str(order), act(verb, **order)[0]) for verb, order in WRONG} == {
        (verb, str(order), 422) for verb, order in WRONG
    }
    assert hub.json("/api/incidents/i-1/case")["revision"] == 0
    assert act("confirm", "no-such", revision=0)[0] == 404


def test_every_decision_is_an_event_that_fits_its_schema(hub: Client, act: Act) -> None:
    act("false-alarm", revision=0, reason="other", text="a parade")
    act("reopen", revision=1)
    act("note", revision=2, text="not for the city")
    events = case_events(hub)
    assert [one["type"] for one in events] == ["cityeye.case.false_alarm", "cityeye.case.reopened"]
    schema = json.loads(schema_file("case-1.json") or b"")
    for event in events:
        Draft202012Validator(schema).validate(event["data"])
        assert event["dataschema"] == schema["$id"]
        assert event["partitionkey"] == "cam-1"
    false = events[0]["data"]
    assert (false["reason"], false["text"], false["previous"]) == ("other", "a parade", "new")
    assert false["incidents"][0]["model"] == {"name": "street", "version": "1"}
    assert events[0]["sequence"] < events[1]["sequence"]
    listed = hub.json("/api/events", type="cityeye.case.reopened", camera="cam-1")["events"]
    assert [one["event"] for one in listed] == events[1:]
    # Nobody can put words into the mouth of this hub.
    forged = events[0] | {"id": "forged"}
    assert hub.post(forged).status == 422
    elsewhere = forged | {"source": "cityeye/510118-Xinjin/hubs/other"}
    assert hub.post(elsewhere).status == 200
    assert hub.json("/api/incidents/i-1/case")["revision"] == 3


def test_an_incident_that_goes_on_loses_no_case_work(hub: Client, act: Act) -> None:
    act("dispatch", revision=0, to="team 1")
    hub.post(incident(revision=2, phase="updated", severity="high"))
    # An older program named no city; the incident is that of the first one that has it.
    hub.post(in_city(incident(revision=3, phase="ended", severity="high"), "510118-Xinjin"))
    case = hub.json("/api/incidents/i-1/case")
    assert (case["state"], case["to"], case["city"]) == ("dispatched", "team 1", "510118-Xinjin")
    assert case["incidents"][0]["severity"] == "high"
    status, done = act("resolve", revision=1)
    assert (status, done["case_id"]) == (200, case["case_id"])
    assert case_events(hub)[-1]["source"].startswith("cityeye/510118-Xinjin/hubs/")


def test_cases_are_listed_with_those_that_nobody_touched(hub: Client, act: Act) -> None:
    for number in range(2, 6):
        hub.post(incident(f"i-{number}", camera={"id": f"cam-{number % 2}"}))
    act("confirm", "i-2", revision=0)
    act("dispatch", "i-3", revision=0, to="team 1")
    everything: list[dict[str, Any]] = []
    query: dict[str, str] = {"limit": "2"}
    while True:
        page = hub.json("/api/cases", **query)
        everything += page["cases"]
        if page["next_before"] is None:
            break
        query["before"] = page["next_before"]
    ids = [one["incidents"][0]["incident_id"] for one in everything]
    assert ids == ["i-5", "i-4", "i-3", "i-2", "i-1"]
    new = hub.json("/api/cases", state="new")["cases"]
    assert [one["incidents"][0]["incident_id"] for one in new] == ["i-5", "i-4", "i-1"]
    (sent,) = hub.json("/api/cases", state="dispatched")["cases"]
    assert (sent["last"]["action"], sent["last"]["by"]["name"]) == ("dispatched", "first")
    assert len(hub.json("/api/cases", camera="cam-0")["cases"]) == 2
    assert hub.get("/api/cases", state="open").status == 422
    assert hub.get("/api/cases", before="x").status == 422
    assert hub.get("/api/cases/none").status == 404


@pytest.mark.integration
def test_two_hubs_on_one_server_keep_one_history(
    start_hub: StartHub, postgres: str, tmp_path: Path
) -> None:
    one = start_hub(database=postgres)
    with running(tmp_path / "second") as start:
        two = start(database=postgres)
        one.post(incident())
        assert actor(two)("confirm", revision=0)[0] == 200
        assert actor(one)("false-alarm", revision=0, reason="allowed")[0] == 409
        assert actor(one)("resolve", revision=1)[0] == 200
        assert [e["type"] for e in case_events(two)] == [
            "cityeye.case.confirmed",
            "cityeye.case.resolved",
        ]
        assert len({e["source"] for e in case_events(one)}) == 1
