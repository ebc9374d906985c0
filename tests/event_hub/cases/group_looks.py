"""What shows that the routes of case work heed camera groups; see `tests.event_hub.test_groups`."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from typing import Any

Seen = set[tuple[str, str]]
Look = Callable[[Callable[..., Any], Seen], None]

KNOWN: dict[tuple[str, str], str] = {}
"""Ids of cases as somebody has seen them, by city and camera."""


def incident_of(city: str, camera: str) -> str:
    return f"i-{city}-{camera}"


def revision_of(ask: Callable[..., Any], incident: str) -> int:
    answer = ask("GET", f"/api/incidents/{incident}/case")
    return int(answer.json()["revision"]) if answer.status == 200 else 0


def deed(cameras: Seen, verb: str, **order: Any) -> Look:
    """Done with the case of every camera: 409 says that it is seen, and in another state."""

    def look(ask: Callable[..., Any], seen: Seen) -> None:
        body = {"revision": 0, **order}
        nothing = body | ({"incident": "none"} if verb == "join" else {})
        missing = ask("POST", f"/api/incidents/none/{verb}", nothing)
        for place in cameras:
            incident = incident_of(*place)
            own = body | {"revision": revision_of(ask, incident)}
            own |= {"incident": incident} if verb == "join" else {}
            answer = ask("POST", f"/api/incidents/{incident}/{verb}", own)
            assert answer.status in ({200, 409} if place in seen else {404}), answer.data
            if place not in seen:
                assert answer.data == missing.data

    return look


def case_of_incident(cameras: Seen) -> Look:
    def look(ask: Callable[..., Any], seen: Seen) -> None:
        for place in cameras:
            answer = ask("GET", f"/api/incidents/{incident_of(*place)}/case")
            assert answer.status == (200 if place in seen else 404)
            if answer.status == 200 and answer.json()["case_id"]:
                KNOWN[place] = answer.json()["case_id"]

    return look


def case_by_id(ask: Callable[..., Any], seen: Seen) -> None:
    for place, case_id in KNOWN.items():
        assert ask("GET", f"/api/cases/{case_id}").status == (200 if place in seen else 404)


def cases(ask: Callable[..., Any], seen: Seen) -> None:
    found = ask("GET", "/api/cases").json()["cases"]
    places = [(one["city"], one["incidents"][0]["camera"]["id"]) for one in found]
    assert sorted(places) == sorted(seen)


def recurrences(cameras: Seen) -> Look:
    def look(ask: Callable[..., Any], seen: Seen) -> None:
        for place in cameras:
            answer = ask("GET", f"/api/incidents/{incident_of(*place)}/recurrence")
            assert answer.status == (200 if place in seen else 404)

    return look


def precision(ask: Callable[..., Any], seen: Seen) -> None:
    """All of them were called false alarms before."""
    rows = ask("GET", "/api/precision").json()["rows"]
    assert sorted((one["city"], one["camera"]) for one in rows) == sorted(seen)


def disputed(ask: Callable[..., Any], seen: Seen) -> None:
    archive = zipfile.ZipFile(io.BytesIO(ask("GET", "/api/disputed.zip").data))
    found = json.loads(archive.read("annotations.json"))
    names = {one["attributes"]["camera"] for one in found["images"]}
    # kf-30d/v1/YYYY/MM/DD/CAMERA/...
    names |= {key.split("/")[5] for key in found["info"]["missing"]}
    assert names == {camera for _, camera in seen}


def looks_of_cases(cameras: Seen) -> dict[tuple[str, str], Look]:
    """By method and path of the rule; in an order that ends with false alarms."""
    path = "/api/incidents/{incident}"
    deeds = {
        "confirm": deed(cameras, "confirm"),
        "dispatch": deed(cameras, "dispatch", to="team 1"),
        "resolve": deed(cameras, "resolve"),
        "reopen": deed(cameras, "reopen"),
        "note": deed(cameras, "note", text="seen"),
        "join": deed(cameras, "join"),
        "split": deed(cameras, "split"),
        "false-alarm": deed(cameras, "false-alarm", reason="allowed"),
    }
    return {
        **{("POST", f"{path}/{verb}"): look for verb, look in deeds.items()},
        ("GET", f"{path}/case"): case_of_incident(cameras),
        ("GET", f"{path}/recurrence"): recurrences(cameras),
        ("GET", "/api/cases"): cases,
        ("GET", "/api/cases/{case}"): case_by_id,
        ("GET", "/api/precision"): precision,
        ("GET", "/api/disputed.zip"): disputed,
    }
