"""The live feed: nothing missed over a broken connection, and nothing for who may not have it."""

from __future__ import annotations

import asyncio
import http.client
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from event_hub.envelope import parse_event
from event_hub.feed import routes, source, stream
from event_hub.keyframes import FolderKeyframes
from event_hub.settings import HubSettings
from event_hub.store import EventStore
from pipelines.access import Scope, TokenFile
from tests.event_hub.conftest import Client, http_of
from tests.event_hub.people import put_group
from tests.event_hub.samples import camera_state, dump, heartbeat, in_city, incident
from tests.event_hub.test_api import BATCH
from tests.event_hub.test_measurements import measured
from tests.event_hub.thread import HubThread

XINJIN, DAYI = "510118-Xinjin", "510129-Dayi"


class Reader:
    """One connection to the feed."""

    def __init__(self, answer: http.client.HTTPResponse) -> None:
        self.status = answer.status
        self.headers = answer.headers
        self._answer = answer

    def blocks(self) -> Iterator[dict[str, str]]:
        """Everything that is sent, comments included, until the stream ends."""
        block: dict[str, str] = {}
        for raw in self._answer:
            name, _, value = raw.decode().rstrip("\n").partition(":")
            if name or value:
                name, value = name or "comment", value.strip()
                block[name] = f"{block[name]}\n{value}" if name in block else value
            else:
                yield block
                block = {}

    def next(self, event: str) -> tuple[int | None, Any]:
        """Id and data of the next event of a name."""
        for block in self.blocks():
            if block.get("event") == event:
                position = block.get("id")
                return int(position) if position else None, json.loads(block["data"])
        raise AssertionError(f"the stream ended without {event}")


@contextmanager
def reading(client: Client, query: str = "", **headers: str) -> Iterator[Reader]:
    connection = http.client.HTTPConnection(client.url.removeprefix("http://"), timeout=20)
    given = client.auth | {name.replace("_", "-"): value for name, value in headers.items()}
    connection.request("GET", f"/api/feed?{query}", headers=given)
    answer = connection.getresponse()
    try:
        yield Reader(answer)
    finally:
        answer.close()
        connection.close()


def test_an_incident_arrives_as_it_was_received(hub: Client) -> None:
    hub.post(incident("before"))
    with reading(hub, "about=incidents") as feed:
        assert feed.headers["Content-Type"].startswith("text/event-stream")
        hub.post(measured(1))
        hub.post(json.dumps(incident("now", zone="北门"), indent=2).encode())
        position, event = feed.next("incident")
    assert (position, event["data"]["incident_id"], event["data"]["zone"]) == (3, "now", "北门")


def test_what_becomes_of_a_case_arrives(hub: Client) -> None:
    hub.post(incident())
    path = f"{hub.url}/api/incidents/i-1/confirm"
    with reading(hub, "about=cases&camera=cam-1") as feed:
        assert hub.http.request("POST", path, json={"revision": 0}).status == 200
        position, event = feed.next("case")
    assert (position, event["type"]) == (2, "cityeye.case.confirmed")


def test_a_reader_that_comes_back_misses_nothing(
    hub: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(source, "WINDOW", 3)
    with reading(hub, "about=incidents") as feed:
        hub.post(incident("i-0"))
        position, _ = feed.next("incident")
    events = [measured(1), *(incident(f"i-{n}") for n in range(1, 9)), measured(2)]
    assert hub.post(dump(events), {"Content-Type": BATCH}).status == 200
    with reading(hub, "about=incidents", Last_Event_ID=str(position)) as feed:
        seen = [feed.next("incident")[1]["data"]["incident_id"] for _ in range(8)]
    assert seen == [f"i-{n}" for n in range(1, 9)]
    with reading(hub, f"about=incidents&after={position}") as feed:
        assert feed.next("incident")[1]["data"]["incident_id"] == "i-1"


def test_a_reader_may_know_of_more_than_others_do(
    hub: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(source, "CHECK_EVERY_S", 2.0)
    with reading(hub, "about=incidents") as early:
        assert next(early.blocks())
        hub.post(incident("a"))
        with reading(hub, "about=incidents", Last_Event_ID="1") as feed:
            hub.post(incident("b"))
            events = (block for block in feed.blocks() if "event" in block)
            first = next(events)
    assert (first["event"], first["id"]) == ("incident", "2")


def test_what_cannot_be_had_any_more_is_said(hub: Client) -> None:
    hub.post(incident())
    with reading(hub, "about=incidents", Last_Event_ID="99") as feed:
        assert feed.next("reset")[0] == 1
        hub.post(incident(revision=2, phase="ended"))
        assert feed.next("incident")[0] == 2
    assert hub.get("/api/feed", after="-1").json()["parameter"] == "after"
    with reading(hub, Last_Event_ID="x") as feed:
        assert feed.status == 422


def test_every_camera_comes_first_and_then_what_changes(hub: Client) -> None:
    hub.post(camera_state())
    with reading(hub, "about=cameras&camera=cam-1") as feed:
        _, status = feed.next("camera")
        assert (status["camera"]["id"], status["state"]) == ("cam-1", "silent")
        hub.post(heartbeat({"cam-2": "offline"}, beat=1))
        hub.post(heartbeat({"cam-1": "degraded"}, beat=2, number=1))
        assert feed.next("camera")[1]["state"] == "degraded"


def test_a_camera_that_falls_silent_is_said_without_any_event(tmp_path: Path) -> None:
    store = EventStore(f"sqlite:///{tmp_path}/hub.db", silence_limit_s=1.0)
    store.add([parse_event(dump(heartbeat({"cam-1": "online"})))])
    wish = source.FeedWish(False, True, None, frozenset())

    async def goes_on() -> bool:
        return True

    async def states() -> list[str]:
        found: list[str] = []
        async for piece in stream.stream(source.FeedSource(store), wish, None, goes_on):
            if b"event: camera" in piece:
                found.append(json.loads(piece.split(b"data: ")[1])["state"])
            if len(found) == 2:
                break
        return found

    assert asyncio.run(asyncio.wait_for(states(), 20)) == ["online", "silent"]
    store.close()


def test_a_city_is_not_mixed_with_another(hub: Client) -> None:
    with reading(hub, f"city={DAYI}&camera=cam-1&camera=cam-9&about=incidents") as feed:
        hub.post(in_city(incident("a"), XINJIN))
        hub.post(in_city(incident("b", camera={"id": "cam-2"}), DAYI))
        hub.post(in_city(incident("c"), DAYI))
        assert feed.next("incident")[1]["data"]["incident_id"] == "c"


def test_a_revoked_token_ends_the_stream(hub: Client, tmp_path: Path) -> None:
    tokens = TokenFile(tmp_path / "access")
    shown = tokens.issue("reader", Scope.VIEWER)
    own = Client(hub.url, hub.http)
    with reading(own, "about=incidents", Authorization=f"Bearer {shown}") as feed:
        hub.post(incident("a"))
        assert feed.next("incident")
        tokens.revoke("reader")
        hub.post(incident("b"))
        assert [one for one in feed.blocks() if "event" in one] == []


def test_who_is_limited_to_a_group_hears_of_its_cameras_alone(hub: Client, tmp_path: Path) -> None:
    put_group(hub, "gates", {"camera": "gate-1"})
    shown = TokenFile(tmp_path / "access").issue("reader", Scope.VIEWER, groups=("gates",))
    hub.post(heartbeat({"yard": "online", "gate-1": "online", "gate-2": "online"}))
    with reading(hub, "after=0", Authorization=f"Bearer {shown}") as feed:
        assert feed.next("camera")[1]["camera"]["id"] == "gate-1"
        put_group(hub, "gates", {"camera": "gate-2"})
        assert feed.next("camera")[1]["camera"]["id"] == "gate-2"
        for number, camera in enumerate(("yard", "gate-1", "gate-2")):
            said = incident(f"i-{number}", camera={"id": camera}) | {"partitionkey": camera}
            assert hub.post(said).status == 200
        assert feed.next("incident")[1]["data"]["camera"]["id"] == "gate-2"


def test_who_is_limited_to_a_group_hears_of_cases_of_its_cameras_alone(
    hub: Client, tmp_path: Path
) -> None:
    put_group(hub, "gates", {"camera": "gate-*"})
    shown = TokenFile(tmp_path / "access").issue("reader", Scope.VIEWER, groups=("gates",))
    for number, camera in enumerate(("yard", "gate-1", "gate-2", "gate-3")):
        said = incident(f"i-{number}", camera={"id": camera}) | {"partitionkey": camera}
        assert hub.post(said).status == 200

    def done(incident_id: str, verb: str, **order: Any) -> None:
        path = f"{hub.url}/api/incidents/{incident_id}/{verb}"
        answer = hub.http.request("POST", path, json={"revision": 0, **order})
        assert answer.status == 200, answer.data

    done("i-0", "confirm")
    done("i-1", "join", incident="i-0", other_revision=1)
    done("i-2", "confirm")
    done("i-3", "join", incident="i-2", other_revision=1)
    with reading(hub, "about=cases&after=0", Authorization=f"Bearer {shown}") as feed:
        heard = [feed.next("case")[1] for _ in range(2)]
        put_group(hub, "gates", {"camera": "gate-*"}, {"camera": "yard"})
        done("i-1", "note", revision=1, text="none of it is an event")
        done("i-1", "confirm", revision=2)
        heard.append(feed.next("case")[1])
    cases = [
        (one["type"], sorted(own["incident_id"] for own in one["data"]["incidents"]))
        for one in heard
    ]
    assert cases == [
        ("cityeye.case.confirmed", ["i-2"]),
        ("cityeye.case.joined", ["i-2", "i-3"]),
        ("cityeye.case.confirmed", ["i-0", "i-1"]),
    ]


def test_a_quiet_stream_is_kept_alive(hub: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "KEEP_ALIVE_S", 0.1)
    with reading(hub) as feed:
        comments = [block.get("comment") for block, _ in zip(feed.blocks(), range(3), strict=False)]
    assert comments[1:] == ["still here", "still here"]


def test_readers_are_bounded_and_those_that_left_make_room(
    hub: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(routes, "READERS_MAX", 1)
    with reading(hub) as first, reading(hub) as second:
        assert (first.status, second.status) == (200, 503)
        assert second.headers["Retry-After"]
    end_s = time.monotonic() + 20
    while True:
        with reading(hub) as third:
            if third.status == 200:
                return
        assert time.monotonic() < end_s, "a reader that left still has its place"
        time.sleep(0.1)


def test_a_hub_that_stops_ends_its_streams(tmp_path: Path) -> None:
    settings = HubSettings(
        database=f"sqlite:///{tmp_path}/one.db", port=0, console=False, access=tmp_path / "access"
    )
    with (
        HubThread(settings, FolderKeyframes(tmp_path)) as thread,
        http_of(tmp_path) as http,
        reading(Client(thread.url, http)) as feed,
    ):
        blocks = feed.blocks()
        assert next(blocks)["retry"]
        thread.stop()
        assert list(blocks) == []
