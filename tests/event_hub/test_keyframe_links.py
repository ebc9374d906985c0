"""Links to keyframes: good for one masked image for some minutes, and for nothing else."""

from __future__ import annotations

import json
import re
import stat
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import urllib3

from event_hub.keyframe_links import KeyframeLinks
from event_hub.subscription_settings import SubscriptionSettings
from tests.event_hub.conftest import Client, StartHub, running
from tests.event_hub.people import send
from tests.event_hub.samples import incident, keyframe, picture
from tests.event_hub.subscriptions.receivers import feishu, receiver

KEY = "kf-30d/v1/2026/11/20/cam-1/04/a b.jpg"
OTHER = "kf-30d/v1/2026/11/20/cam-1/04/other.jpg"
BARE = "kf-30d/v1/2026/11/20/cam-1/04/bare.jpg"


@pytest.fixture(scope="module")
def city(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    folder = tmp_path_factory.mktemp("links")
    with running(folder) as start:
        yield filled(start(), folder)


def filled(hub: Client, tmp_path: Path) -> Client:
    named = [keyframe(KEY, picture()), keyframe(OTHER, picture(30), "peak")]
    shown = [one | {"masked": True} for one in named] + [keyframe(BARE, picture(200), "closing")]
    assert hub.post(incident(keyframes=shown)).status == 200
    for key, data in ((KEY, picture()), (OTHER, picture(30)), (BARE, picture(200))):
        (tmp_path / "kf" / key).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "kf" / key).write_bytes(data)
    return hub


def link(hub: Client, key: str = KEY, **query: str) -> str:
    said = hub.json("/api/keyframe-links", key=key, **query)
    assert datetime.fromisoformat(said["until"]) > datetime.now(UTC)
    return str(said["path"])


def follow(hub: Client, path: str, **headers: str) -> urllib3.BaseHTTPResponse:
    return urllib3.request("GET", hub.url + path, headers=headers, retries=False)


def test_a_link_shows_its_image_without_a_token(city: Client) -> None:
    answer = follow(city, link(city), Host="eye.city.example")
    assert (answer.status, answer.data) == (200, picture())
    assert answer.headers["Content-Type"] == "image/jpeg"
    again = follow(city, link(city), **{"If-None-Match": answer.headers["ETag"]})
    assert (again.status, again.data) == (304, b"")


def test_a_link_that_is_altered_opens_nothing(city: Client) -> None:
    path = link(city)
    _, api, links, until, signature, *key = path.split("/")
    later = str(int(until) + 60)
    wrong = [
        "/".join(("", api, links, later, signature, *key)),
        "/".join(("", api, links, until, signature[1:] + signature[:1], *key)),
        "/".join(("", api, links, until, "0" * 64, *key)),
        path.replace("a%20b.jpg", "other.jpg"),
        path.replace("a%20b.jpg", "none.jpg"),
        "/".join(("", api, links, "x", signature, *key)),
    ]
    for one in wrong:
        assert follow(city, one).status in (404, 422), one
    assert follow(city, path).status == 200


def test_there_is_no_link_to_what_is_not_masked_or_not_named(city: Client) -> None:
    assert city.get("/api/keyframe-links", key=BARE).status == 409
    assert city.get("/api/keyframe-links", key="kf-30d/v1/none.jpg").status == 404
    assert city.get("/api/keyframe-links", key="ev-7d/v1/2026/clip.mp4").status == 404
    assert city.get("/api/keyframe-links", key=KEY, minutes="1441").status == 422
    assert follow(city, f"/api/keyframe-links?key={BARE}").status == 401


def test_a_link_ends_with_a_deletion(hub: Client, tmp_path: Path) -> None:
    city = filled(hub, tmp_path)
    path = link(city)
    assert follow(city, path).status == 200
    body = {"keys": [KEY], "reason": "a person on it asked for it"}
    assert send(city, "POST", "/api/deletions", body).status == 200
    assert follow(city, path).status == 404


def test_time_secret_and_image_are_all_in_the_signature(tmp_path: Path) -> None:
    now = datetime(2026, 5, 4, tzinfo=UTC)
    links = KeyframeLinks(tmp_path / "access", lambda: now)
    path, until = links.path_to("a/b.jpg", "1" * 64, 10)
    assert until == now + timedelta(minutes=10)
    _, _, _, seconds, signature, *_ = path.split("/")

    def opens(of: KeyframeLinks = links, key: str = "a/b.jpg", digest: str = "1" * 64) -> bool:
        return of.opens(key, digest, int(seconds), signature)

    assert opens()
    # It is the same after a restart, and for a second hub with these tokens.
    assert opens(KeyframeLinks(tmp_path / "access", lambda: now))
    assert not opens(KeyframeLinks(tmp_path / "elsewhere", lambda: now))
    assert not opens(key="a/c.jpg")
    assert not opens(digest="2" * 64)
    now += timedelta(minutes=10)
    assert not opens()
    (kept,) = (tmp_path / "access").iterdir()
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600


def test_links_of_two_hubs_with_one_folder_are_good_at_both(
    start_hub: StartHub, tmp_path: Path
) -> None:
    city = filled(start_hub(), tmp_path)
    other = start_hub(database=f"sqlite:///{tmp_path}/other.db")
    other.post(incident(keyframes=[keyframe(KEY, picture()) | {"masked": True}]))
    assert follow(other, link(city)).status == 200


def test_a_message_to_a_group_leads_to_the_masked_image_alone(
    start_hub: StartHub, tmp_path: Path
) -> None:
    near = SubscriptionSettings.model_validate({"networks": ["127.0.0.0/8"]})
    hub = start_hub(subscriptions=near, address="https://eye.city.example")
    with receiver(feishu("a secret")) as group:
        order = {"name": "team", "url": f"{group.url}/open-apis/bot/v2/hook/x", "format": "feishu"}
        order["secret"] = "a secret"
        assert send(hub, "POST", "/api/subscriptions", order).status == 201
        filled(hub, tmp_path)
        bare = [keyframe(BARE, picture(200))]
        assert hub.post(incident("i-2", keyframes=bare)).status == 200
        deadline_s = time.monotonic() + 30
        while len(group.accepted) < 2 and time.monotonic() < deadline_s:
            time.sleep(0.05)
        first, second = (
            json.loads(got.body)["card"]["elements"][0]["content"] for got in group.accepted
        )
    assert "/api/links/" not in second
    (path,) = re.findall(r"\]\(https://eye.city.example(/api/links/[^)]+)\)", first)
    answer = follow(hub, path)
    assert (answer.status, answer.data) == (200, picture(30))
