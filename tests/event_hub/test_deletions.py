"""Requests to delete what shows a person: it is gone everywhere, stays gone, and that is proven."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from event_hub.deletions.deleter import AGAIN_EVERY, AGAIN_FOR, EvidenceDeleter
from event_hub.deletions.found import DeletionRequest
from event_hub.deletions.records import broken_record, records_of
from event_hub.keyframes import EvidenceFolder, FolderKeyframes, WithEvidence
from event_hub.retention import delete_old
from event_hub.settings import HubRetention
from event_hub.store import EventStore
from event_hub.tables import DELETION_RECORDS, EVENTS
from pipelines.access import AuditTrail, Caller, Scope
from pipelines.keyframe_key import keyframe_key, restricted_key
from tests.event_hub.conftest import Client
from tests.event_hub.people import Answer, send
from tests.event_hub.samples import START, in_city, incident, keyframe, picture
from tests.event_hub.test_store import add

EVENT = "0b7f1f0e-5f0e-5c0e-9f0e-0b7f1f0e5f0e"
REASON = "a person on it asked for it"
WHY = {"reason": "seen before it goes"}
SHOWN, CLEAN, CLIP, LATER = picture(60), picture(90), b"\0\0\0\x20ftypisom-a-clip", picture(30)


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def evidence(name: str, at: datetime = START) -> dict[str, bytes]:
    """What the store has of an incident, by key: a keyframe, its clean image, a clip, a second."""
    return {
        keyframe_key("cam-1", name, EVENT, 0, sha256(SHOWN), at): SHOWN,
        restricted_key("cam-1", name, EVENT, 0, sha256(CLEAN), at, "image/jpeg"): CLEAN,
        restricted_key("cam-1", name, EVENT, 1, sha256(CLIP), at): CLIP,
        keyframe_key("cam-1", name, EVENT, 1, sha256(LATER), at): LATER,
    }


def put(folder: Path, things: dict[str, bytes]) -> None:
    for key, data in things.items():
        (folder / key).parent.mkdir(parents=True, exist_ok=True)
        (folder / key).write_bytes(data)


def events(name: str, at: datetime = START) -> list[dict[str, Any]]:
    """Two revisions of an incident; the second names a later keyframe and not the first one."""
    first, clean, clip, later = evidence(name, at)
    stored = {"state": "stored", "key": clip, "sha256": sha256(CLIP), "size_bytes": len(CLIP)}
    stored |= {"begins_at": at.isoformat(), "duration_s": 10.0}
    restricted = {"key": clean, "sha256": sha256(CLEAN), "size_bytes": len(CLEAN)}
    opening = keyframe(first, SHOWN) | {"at": at.isoformat(), "clean": restricted}
    after = at + timedelta(seconds=40)
    closing = keyframe(later, LATER, "closing") | {"at": after.isoformat()}
    return [
        incident(name, keyframes=[opening], clip=stored, opened_at=at),
        incident(name, 2, "ended", keyframes=[closing], clip=stored, opened_at=at),
    ]


@pytest.fixture
def city(hub: Client, tmp_path: Path) -> Client:
    for name in ("i-1", "i-2"):
        put(tmp_path / "kf", evidence(name))
        for event in events(name):
            assert hub.post(event).status == 200
    return hub


def delete(hub: Client, **wanted: Any) -> Answer:
    return send(hub, "POST", "/api/deletions", {"reason": REASON, **wanted})


def given(hub: Client, name: str = "i-1") -> list[int]:
    """What the hub answers for each key of an incident."""
    first, clean, clip, later = evidence(name)
    return [
        hub.get(f"/api/keyframes/{first}").status,
        send(hub, "POST", f"/api/evidence/{clean}", WHY).status,
        send(hub, "POST", f"/api/evidence/{clip}", WHY).status,
        hub.get(f"/api/keyframes/{later}").status,
    ]


def test_what_an_incident_ever_named_is_gone_and_that_is_proven(
    city: Client, tmp_path: Path
) -> None:
    assert given(city) == [200] * 4
    answer = delete(city, incidents=["i-1"])
    assert answer.status == 200, answer.data
    proof = answer.json()
    assert (proof["number"], proof["by"], proof["reason"], proof["complete"]) == (
        1,
        "first",
        REASON,
        True,
    )
    said = {(one["key"], one["sha256"], one["kind"]) for one in proof["evidence"]}
    kinds = ("keyframe", "clean", "clip", "keyframe")
    own = evidence("i-1")
    assert said == {(k, sha256(own[k]), kind) for k, kind in zip(own, kinds, strict=True)}
    assert {one["key"] for one in proof["gone"]} == set(own)
    for record in proof["records"]:
        assert sha256(record["text"].encode()) == record["digest"]
    assert json.loads(proof["records"][1]["text"])["previous"] == proof["records"][0]["digest"]
    assert not any((tmp_path / "kf" / key).exists() for key in own)
    assert given(city) == [404] * 4
    assert b"deleted on request" in city.get(f"/api/keyframes/{next(iter(own))}").data
    # The other incident and the words of this one are there, with a mark.
    assert given(city, "i-2") == [200] * 4
    assert city.json("/api/incidents/i-1")["incident"]["deleted_at"] is not None
    assert city.json("/api/incidents/i-2")["incident"]["deleted_at"] is None
    (entry,) = city.json("/api/audit", action="evidence.deleted")["entries"]
    assert (entry["key"], proof["records"][0]["digest"] in entry["reason"]) == ("deletion 1", True)
    listed = city.json("/api/deletions")
    assert (listed["deletions"], listed["broken"]) == ([proof], None)
    assert city.json("/api/deletions/1") == proof
    assert city.get("/api/deletions/2").status == 404


def test_a_late_worker_brings_nothing_back(city: Client, tmp_path: Path) -> None:
    delete(city, incidents=["i-1"])
    put(tmp_path / "kf", evidence("i-1"))
    for event in (
        *events("i-1"),
        incident("i-1", 3, "ended", keyframes=events("i-1")[0]["data"]["keyframes"]),
    ):
        assert city.post(event).status == 200
    assert given(city) == [404] * 4
    assert city.json("/api/incidents/i-1")["incident"]["deleted_at"] is not None
    held = city.http.request("POST", f"{city.url}/api/incidents/i-1/hold").json()
    assert (held["keyframes"], held["copies"]) == (0, 0)
    assert city.json("/health")["problems"] == []


def test_a_keyframe_takes_its_clean_image_along_and_a_key_of_nobody_is_refused(
    city: Client,
) -> None:
    first, clean, clip, _ = evidence("i-1")
    proof = delete(city, keys=[first]).json()
    assert {one["key"] for one in proof["evidence"]} == {first, clean}
    assert given(city) == [404, 404, 200, 200]
    proof = delete(city, keys=[clip]).json()
    assert [one["kind"] for one in proof["evidence"]] == ["clip"]
    assert given(city) == [404, 404, 404, 200]
    assert delete(city, keys=["kf-30d/v1/none.jpg"]).status == 404
    assert delete(city, incidents=["none"]).status == 404
    assert delete(city, incidents=["i-1"], city="elsewhere").status == 404


def test_an_id_of_two_cities_needs_one_of_them(hub: Client, tmp_path: Path) -> None:
    put(tmp_path / "kf", evidence("i-1"))
    for city in ("510118-Xinjin", "510129-Dayi"):
        for event in events("i-1"):
            assert hub.post(in_city(event, city)).status == 200
    answer = delete(hub, incidents=["i-1"])
    assert (answer.status, b"several cities" in answer.data) == (409, True)
    assert given(hub) == [200] * 4
    assert delete(hub, incidents=["i-1"], city="510129-Dayi").status == 200


def test_a_camera_in_a_time(city: Client, tmp_path: Path) -> None:
    late = START + timedelta(hours=3)
    put(tmp_path / "kf", evidence("i-late", late))
    for event in events("i-late", late):
        city.post(event)
    place = {"city": "", "camera": "cam-1"}

    def span(since: datetime, until: datetime, **other: str) -> Answer:
        times = {"since": since.isoformat(), "until": until.isoformat()}
        return delete(city, span=place | times | other)

    minute = timedelta(minutes=1)
    assert span(START, START + minute, camera="cam-2").status == 404
    assert span(START, START - minute).status == 422
    assert span(START + 10 * minute, START + 20 * minute).status == 404
    # The clip begins before and reaches into it.
    proof = span(START + timedelta(seconds=5), START + timedelta(seconds=30)).json()
    assert {(one["incident"], one["kind"]) for one in proof["evidence"]} == {
        ("i-1", "clip"),
        ("i-2", "clip"),
    }
    proof = span(START, START + 10 * minute).json()
    assert {one["incident"] for one in proof["evidence"]} == {"i-1", "i-2"}
    assert len(proof["evidence"]) == 8
    assert given(city) == [404] * 4
    assert len(span(late, late + 10 * minute).json()["evidence"]) == 4


def test_held_evidence_is_refused_until_it_is_released(city: Client, tmp_path: Path) -> None:
    city.http.request("POST", f"{city.url}/api/incidents/i-1/hold")
    copies = [path for path in (tmp_path / "evidence").rglob("*") if path.is_file()]
    assert len(copies) == 1
    later = list(evidence("i-1"))[3]
    for wanted in ({"incidents": ["i-1", "i-2"]}, {"keys": [later]}):
        answer = delete(city, **wanted)
        assert (answer.status, b"i-1" in answer.data) == (409, True)
    assert given(city) == [200] * 4
    assert city.json("/api/deletions")["deletions"] == []
    city.http.request("DELETE", f"{city.url}/api/incidents/i-1/hold")
    assert delete(city, incidents=["i-1"]).json()["complete"]


def test_without_a_reason_or_something_to_delete_nothing_happens(city: Client) -> None:
    for body in (
        {"incidents": ["i-1"]},
        {"incidents": ["i-1"], "reason": "short"},
        {"reason": REASON},
        {"incidents": ["i-1"], "reason": REASON, "all": True},
    ):
        assert send(city, "POST", "/api/deletions", body).status == 422
    assert given(city) == [200] * 4


class Stubborn(FolderKeyframes):
    """A store that is away now and then."""

    away = True
    asked = 0

    def remove(self, key: str) -> None:
        self.asked += 1
        if self.away:
            raise TimeoutError
        super().remove(key)


def test_a_store_that_is_away_is_asked_again_and_late_images_are_removed_for_a_week(
    tmp_path: Path,
) -> None:
    now = datetime.now(UTC)
    store = EventStore(f"sqlite:///{tmp_path}/hub.db")
    source = Stubborn(tmp_path / "kf")
    put(tmp_path / "kf", evidence("i-1"))
    add(store, *events("i-1"))
    kept = WithEvidence(source, EvidenceFolder(tmp_path / "evidence"))
    trail = AuditTrail(tmp_path / "audit", "hub")
    deleter = EvidenceDeleter(store.database, kept, trail, lambda: now)
    wanted = DeletionRequest(incidents=("i-1",), reason=REASON)
    deletion = deleter.delete(Caller("t", "first", Scope.ADMIN), wanted)

    def steps() -> list[str]:
        with store.database.read() as connection:
            return [one["step"] for one in records_of(connection, deletion)]

    def there() -> int:
        return sum((tmp_path / "kf" / key).exists() for key in evidence("i-1"))

    assert (deleter.remove_again(), there(), steps()) == (4, 4, ["requested"])
    assert source.asked == 8
    source.away = False
    assert (deleter.remove_again(), there(), steps()) == (0, 0, ["requested", "completed"])
    put(tmp_path / "kf", evidence("i-1"))
    now += AGAIN_EVERY + timedelta(seconds=1)
    assert (deleter.remove_again(), there()) == (0, 0)
    put(tmp_path / "kf", evidence("i-1"))
    assert (deleter.remove_again(), there()) == (0, 4)
    now += AGAIN_FOR
    assert (deleter.remove_again(), there()) == (0, 4)
    assert steps() == ["requested", "completed"]
    store.close()


@pytest.mark.parametrize(
    "url", ["sqlite", pytest.param("postgresql", marks=pytest.mark.integration)]
)
def test_records_outlive_retention_and_show_what_was_altered(
    request: pytest.FixtureRequest, tmp_path: Path, url: str
) -> None:
    at = f"sqlite:///{tmp_path}/hub.db" if url == "sqlite" else request.getfixturevalue("postgres")
    store = EventStore(at)
    deleter = EvidenceDeleter(
        store.database, FolderKeyframes(tmp_path / "kf"), AuditTrail(tmp_path / "audit", "hub")
    )
    caller = Caller("t", "first", Scope.ADMIN)
    for name in ("i-1", "i-2"):
        add(store, *events(name))
        deleter.delete(caller, DeletionRequest(incidents=(name,), reason=REASON))
    with store.database.write() as connection:
        connection.execute(update(EVENTS).values(received_us=0))
    assert delete_old(store.database, HubRetention(days=3), pause_s=0) == 4
    with store.database.read() as connection:
        records = records_of(connection)
        assert [one["step"] for one in records] == ["requested", "completed"] * 2
        assert broken_record(connection) is None
    third = DELETION_RECORDS.c.number == 3
    with store.database.write() as connection:
        text = records[2]["text"].replace(REASON, "another reason")
        connection.execute(update(DELETION_RECORDS).where(third).values(record=text))
    with store.database.read() as connection:
        assert broken_record(connection) == 3
    with store.database.write() as connection:
        # Whoever makes it fit again breaks the next one.
        values = {"digest": sha256(text.encode())}
        connection.execute(update(DELETION_RECORDS).where(third).values(values))
    with store.database.read() as connection:
        assert broken_record(connection) == 4
    store.close()


def test_a_number_that_no_database_takes_is_none(hub: Client) -> None:
    assert hub.get(f"/api/deletions/{2**63}").status == 422
    assert hub.get("/api/deletions/7").status == 404
