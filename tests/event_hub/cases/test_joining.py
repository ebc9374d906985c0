"""Two incidents that are one matter are one case, and what recurs at a place is counted."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from tests.event_hub.cases.conftest import Act
from tests.event_hub.cases.test_case_work import case_events
from tests.event_hub.conftest import Client
from tests.event_hub.samples import START, in_city, incident


def ids(case: object) -> list[str]:
    return [one["incident_id"] for one in case["incidents"]]  # type: ignore[index]


def test_two_incidents_become_one_case_and_two_again(hub: Client, act: Act) -> None:
    earlier = START - timedelta(minutes=1)
    hub.post(incident("i-2", camera={"id": "cam-2"}, opened_at=earlier))
    act("note", "i-2", revision=0, text="seen from the bridge")
    act("confirm", revision=0)
    assert act("join", revision=1, incident="i-2")[0] == 409
    order = {"revision": 1, "incident": "i-2", "other_revision": 1, "text": "same jam"}
    status, case = act("join", **order)
    assert (status, ids(case), case["state"]) == (200, ["i-2", "i-1"], "confirmed")
    assert act("join", **order) == (200, case)
    assert case["history"][-1]["incidents"] == ["i-2"]
    assert hub.json("/api/incidents/i-2/case") == case
    assert len(hub.json("/api/cases")["cases"]) == 1
    event = case_events(hub)[-1]
    assert (event["type"], len(event["data"]["incidents"])) == ("cityeye.case.joined", 2)
    assert event["partitionkey"] == "cam-2"
    assert act("join", revision=2, incident="i-2", other_revision=2)[0] == 409
    # What is done with one is done with both.
    assert act("dispatch", "i-2", revision=2, to="team")[1]["case_id"] == case["case_id"]
    assert act("split", "i-2", revision=2)[0] == 409
    status, own = act("split", "i-2", revision=3, text="another one")
    assert (status, ids(own), own["state"], own["revision"]) == (200, ["i-2"], "new", 1)
    assert own["split_from"] == case["case_id"]
    assert act("split", "i-2", revision=3, text="another one") == (200, own)
    left = hub.json("/api/incidents/i-1/case")
    assert (ids(left), left["state"], left["to"]) == (["i-1"], "dispatched", "team")
    split = [one for one in case_events(hub) if one["type"] == "cityeye.case.split"]
    assert [ids(one["data"]) for one in split] == [["i-1"], ["i-2"]]
    assert act("split", "i-1", revision=4)[0] == 409


def test_a_case_that_was_joined_says_where_it_went(hub: Client, act: Act) -> None:
    hub.post(incident("i-2"))
    gone = act("confirm", "i-2", revision=0)[1]
    kept = act("join", revision=0, incident="i-2", other_revision=1)[1]
    assert kept["state"] == "new"
    before = hub.json(f"/api/cases/{gone['case_id']}")
    assert (before["joined_into"], before["incidents"]) == (kept["case_id"], [])
    assert [one["action"] for one in before["history"]] == ["confirmed", "joined"]
    assert hub.json("/api/cases", state="confirmed")["cases"] == []


def test_a_case_has_no_more_incidents_than_an_event_can_name(hub: Client, act: Act) -> None:
    for number in range(2, 43):
        hub.post(incident(f"i-{number}"))
    for number in range(2, 41):
        assert act("join", revision=number - 2, incident=f"i-{number}")[0] == 200
    status, answer = act("join", revision=39, incident="i-41")
    assert (status, "40 incidents at most" in str(answer)) == (409, True)
    assert max(one["size_bytes"] for one in hub.json("/api/events", limit="200")["events"]) < 32_000


def test_what_is_not_there_is_not_joined(hub: Client, act: Act) -> None:
    hub.post(in_city(incident("far"), "510129-Dayi"))
    hub.post(in_city(incident("near"), "510118-Xinjin"))
    assert act("join", revision=0, incident="none")[0] == 404
    assert act("join", "near", revision=0, incident="far")[0] == 404
    assert act("join", revision=0, incident="i-1")[0] == 409


def test_what_recurs_at_a_place_is_counted(hub: Client, act: Act) -> None:
    def at(name: str, days: float, **data: Any) -> None:
        hub.post(incident(name, opened_at=START - timedelta(days=days), **data))

    at("a", 1)
    at("b", 2)
    at("false", 3)
    at("old", 40)
    at("elsewhere", 1, zone="Lane 3")
    at("other kind", 1, kind="traffic.stopped_vehicle")
    at("other camera", 1, camera={"id": "cam-2"})
    at("same case", 0.1)
    act("false-alarm", "false", revision=0, reason="poor_view")
    act("join", revision=0, incident="same case")
    act("confirm", "b", revision=0)
    found = hub.json("/api/incidents/i-1/recurrence")
    assert (found["count"], [one["incident_id"] for one in found["incidents"]]) == (2, ["a", "b"])
    assert [one["state"] for one in found["incidents"]] == ["new", "confirmed"]
    assert hub.json("/api/incidents/i-1/recurrence", days="60")["count"] == 3
    assert hub.get("/api/incidents/i-1/recurrence", days="0").status == 422
