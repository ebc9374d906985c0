"""Robots of groups take what the hub sends, signed as their makers say, and are left alone."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from event_hub.store import EventStore
from event_hub.subscriptions.delivery_round import now_us
from event_hub.subscriptions.pace import MessagePace
from event_hub.subscriptions.robots import cut
from tests.event_hub.samples import incident
from tests.event_hub.subscriptions.conftest import Rounds
from tests.event_hub.subscriptions.receivers import Answer, Got, dingtalk, feishu, receiver, wecom
from tests.event_hub.subscriptions.test_delivery import at, counts, hurry
from tests.event_hub.test_store import add

SECRET = "SEC-of-a-robot"
ROBOTS: dict[str, tuple[Callable[[Got], Answer], str, str | None]] = {
    "wecom": (wecom("k"), "/cgi-bin/webhook/send?key=k", None),
    "dingtalk": (dingtalk("t", SECRET), "/robot/send?access_token=t", SECRET),
    "feishu": (feishu(SECRET), "/open-apis/bot/v2/hook/x", SECRET),
}
FORGED = {"id": "cam-1", "name": "[click](http://evil.example) <at id=all></at>"}


def words(got: Got) -> str:
    """What a group reads."""
    body = json.loads(got.body)
    markdown = body.get("markdown", {})
    parts = [markdown.get("title", ""), markdown.get("text", ""), markdown.get("content", "")]
    card = body.get("card")
    if card:
        parts += [card["header"]["title"]["content"], card["elements"][0]["content"]]
    return "\n".join(parts)


@pytest.mark.parametrize("name", ROBOTS)
def test_a_robot_takes_a_message(name: str, store: EventStore, rounds: Rounds) -> None:
    stand_in, path, secret = ROBOTS[name]
    said: list[Answer] = []

    def answer(got: Got) -> Answer:
        said.append(stand_in(got))
        return said[-1]

    with receiver(answer) as other:
        order: dict[str, Any] = {"format": name} | ({"secret": secret} if secret else {})
        own = rounds.subscribe(other.url + path, **order)
        add(store, at("cam-1", 1), at("cam-1", 2), incident("x", camera=FORGED, zone="东路"))
        rounds.run(own)
        assert [next(iter(body.values())) for _, body in said] == [0, 0]
        assert counts(store, own) == (0, 0)
        first, second = map(words, other.accepted)
        assert "新事件: 交通拥堵" in first
        # START is 04:30 in UTC.
        assert "时间: 2026-11-20 12:30:00" in first
        assert "(https://hub.example/incidents/510118-Xinjin/i-cam-1)" in first
        assert "区域: 东路" in second
        assert "](http://evil" not in second
        assert "<at" not in second


@pytest.mark.parametrize("name", ["dingtalk", "feishu", "wecom"])
def test_a_robot_with_other_settings_holds_everything_up(
    name: str, store: EventStore, rounds: Rounds
) -> None:
    stand_in, path, secret = ROBOTS[name]
    with receiver(stand_in) as other:
        order = {"format": name} | ({"secret": "another one"} if secret else {})
        own = rounds.subscribe(other.url + path.replace("key=k", "key=z"), **order)
        add(store, at("a", 1), at("b", 1))
        for _ in range(7):
            rounds.run(own)
            hurry(store)
        assert counts(store, own) == (2, 0)
        reason = rounds.now(own).reason
        assert "check its key and secret" in reason
        assert "another one" not in reason


def test_a_robot_that_had_enough_is_left_alone(store: EventStore, rounds: Rounds) -> None:
    with receiver(lambda got: (200, {"errcode": 130101, "errmsg": "send too fast"})) as other:
        own = rounds.subscribe(other.url, format="dingtalk")
        add(store, at("a", 1))
        rounds.run(own)
        row = rounds.now(own)
        assert row.next_us - row.failing_us >= 600 * 1_000_000
        rounds.run(own)
        assert len(other.got) == 1


def grave(camera: str, number: int, severity: str) -> dict[str, Any]:
    """An incident of its own of a camera, opened in its turn."""
    event = incident(f"i-{camera}-{number}", camera={"id": camera}, severity=severity)
    return event | {"id": f"e-{camera}-{number}", "partitionkey": camera}


def test_no_more_is_sent_in_a_minute_than_a_robot_takes(store: EventStore, rounds: Rounds) -> None:
    with receiver(wecom("k")) as other:
        own = rounds.subscribe(f"{other.url}/?key=k", format="wecom", language="en")
        now_s = 0.0
        pace = MessagePace(18, lambda: now_s)
        for number in range(30):
            add(store, at(f"cam-{number}", 1))
            rounds.run(own, pace=pace)
        assert len(other.accepted) == 18
        assert now_us() < rounds.now(own).next_us <= now_us() + 60_000_000
        assert "started: congestion" in words(other.accepted[17])
        add(store, *(at(f"cam-{number}", 2) for number in range(30)))
        add(store, *(at(f"new-{number}", 1) for number in range(30)))
        hurry(store)
        now_s += 60.0
        rounds.run(own, pace=pace)
        assert len(other.accepted) == 19
        assert "42 messages in one" in words(other.accepted[18])


@pytest.mark.parametrize("name", ROBOTS)
def test_a_storm_is_one_message_with_counts(name: str, store: EventStore, rounds: Rounds) -> None:
    stand_in, path, secret = ROBOTS[name]
    said: list[Answer] = []

    def answer(got: Got) -> Answer:
        said.append(stand_in(got))
        return said[-1]

    with receiver(answer) as other:
        order: dict[str, Any] = {"format": name, "language": "en"}
        own = rounds.subscribe(other.url + path, **order, **({"secret": secret} if secret else {}))
        severities = ["critical", "low", "high", *["medium"] * 117]
        storm = [grave(f"cam-{n % 12}", n, level) for n, level in enumerate(severities)]
        add(store, *storm, incident("x", camera=FORGED))
        rounds.run(own)
        assert [next(iter(body.values())) for _, body in said] == [0]
        assert counts(store, own) == (0, 0)
        text = words(other.accepted[0])
        assert "121 messages in one" in text
        assert "started: congestion ×121" in text
        # Twelve cameras and another: eight are named, the other five are counted.
        assert "cam-0 ×10" in text
        assert "… ×41" in text
        first, second = text.index("i-cam-0-0)"), text.index("i-cam-2-2)")
        assert first < second
        assert "i-cam-1-1)" not in text
        assert "(https://hub.example/incidents)" in text
        assert "](http://evil" not in text


def test_a_message_about_many_that_is_refused_is_sent_one_by_one(
    store: EventStore, rounds: Rounds
) -> None:
    def answer(got: Got) -> Answer:
        text = words(got)
        is_bad = "messages in one" in text or "(high)" in text or "Severity: high" in text
        return 200, {"errcode": 40058 if is_bad else 0}

    with receiver(answer) as other:
        own = rounds.subscribe(other.url, format="wecom", language="en")
        add(store, *(grave(f"cam-{n}", n, "high" if n == 7 else "low") for n in range(20)))
        for _ in range(8):
            rounds.run(own)
            hurry(store)
        assert counts(store, own) == (0, 1)
        assert len(other.got) == 1 + 19 + 5 - 1


def test_a_pace_is_that_of_the_last_minute() -> None:
    now_s = 0.0
    pace = MessagePace(2, lambda: now_s)
    pace.note()
    now_s = 10.0
    pace.note()
    assert pace.wait_s() == 50.0
    now_s = 60.0
    assert pace.wait_s() == 0.0


def test_a_long_text_is_cut_between_characters_and_keeps_its_link() -> None:
    text = cut("字" * 3000, 4096, "[open](https://hub.example)")
    assert len(text.encode()) <= 4096
    assert text.endswith("字\n\n[open](https://hub.example)")
