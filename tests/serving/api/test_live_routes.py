"""Live frames at the control API, with workers that only answer: who, what, when, how often."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime

import cv2
import numpy as np
import pytest
from fastapi import FastAPI, HTTPException
from fastapi.testclient import TestClient

from camera_adapters import CameraState
from models.detections import Box
from pipelines import LiveAnswer, LiveFrame, LiveOptions, Track
from pipelines.access import AccessGate, Scope, TokenFile
from pipelines.live_view import LivePlaces
from serving import live_frames as shared
from serving.api import access, live, restricted
from serving.api.access import ApiAccess
from serving.live_frames import LiveFrames
from serving.worker_state import WorkerState
from tests.serving.workers import worker_state

AT = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
BLIND = LiveAnswer(CameraState.OFFLINE, "connection lost – retrying")


class Workers:
    """Two workers; what they answer for a camera is set by the test."""

    def __init__(self) -> None:
        self.answers: dict[str, LiveAnswer | None] = {}
        self.asked: list[tuple[str, str, LiveOptions]] = []
        self.index = 0
        self.states = [worker_state("gate", "yard")]

    async def all(self) -> list[WorkerState]:
        return self.states

    async def ask(self, actor: str, camera: str, options: LiveOptions) -> LiveAnswer | None:
        self.asked.append((actor, camera, options))
        await asyncio.sleep(0.01)
        return self.answers[camera] if camera in self.answers else self.frame(options)

    def frame(self, options: LiveOptions) -> LiveAnswer:
        self.index += 1
        box = Track(7, "person", Box(0.1, 0.2, 0.3, 0.4), 0.8, 0.0, 0.0, 1.8)
        masked = not options.clean
        jpeg = b"clean" if options.clean else b"masked"
        zones = {"square": ((0.1, 0.1), (0.9, 0.1), (0.9, 0.9))}
        places = LivePlaces(
            zones, {}, {"square": ((0.5, 0.2), (0.5, 0.8))}, {"traffic": ("square",)}
        )
        frame = LiveFrame(jpeg, self.index, AT, 0.2, 1920, 1080, masked, (box,), places)
        return LiveAnswer(CameraState.ONLINE, "", frame)


@pytest.fixture
def workers() -> Workers:
    return Workers()


@pytest.fixture
def tokens(tmp_path) -> TokenFile:
    tokens = TokenFile(tmp_path / "access")
    tokens.prepare()
    return tokens


@pytest.fixture
def client(tokens, monkeypatch, workers) -> Iterator[TestClient]:
    access.announce_access(ApiAccess(tokens=tokens.folder, hosts=frozenset({"testserver"})))
    frames = LiveFrames(workers.ask, workers.all)
    monkeypatch.setattr(live, "live_frames", lambda: frames)
    restricted.trail.cache_clear()
    app = FastAPI()
    app.include_router(live.router)
    app.include_router(restricted.router)
    app.add_middleware(AccessGate, policy=access.policy())
    with TestClient(app) as client:
        yield client
    access.announce_access(None)
    restricted.trail.cache_clear()


@pytest.fixture
def shown(tokens, client) -> dict[Scope, dict[str, str]]:
    return {one: {"Authorization": f"Bearer {tokens.issue(one, one)}"} for one in Scope}


def test_a_viewer_is_given_the_masked_frame_with_its_time(client, shown, workers):
    answer = client.get("/cameras/gate/frame.jpg?boxes=1&width=700", headers=shown[Scope.VIEWER])
    assert (answer.status_code, answer.content) == (200, b"masked")
    headers = answer.headers
    assert headers["content-type"] == "image/jpeg"
    assert headers["cache-control"] == "no-store"
    assert headers["cityeye-frame-at"] == "2026-03-04T05:06:07.000+00:00"
    assert headers["cityeye-state"] == "online"
    assert headers["cityeye-masked"] == "yes"
    assert workers.asked == [("cityeye-worker:worker-0:3:", "gate", LiveOptions(960, True, False))]


def test_the_tracks_come_beside_the_image(client, shown):
    answer = client.get("/cameras/gate/frame", headers=shown[Scope.VIEWER]).json()
    assert answer["tracks"] == [
        {"id": 7, "label": "person", "score": 0.8, "box": [0.1, 0.2, 0.3, 0.4]}
    ]
    assert answer["zones"] == {"square": [[0.1, 0.1], [0.9, 0.1], [0.9, 0.9]]}
    assert answer["tasks"] == {"traffic": ["square"]}
    assert answer["directions"] == {"square": [[0.5, 0.2], [0.5, 0.8]]}
    assert (answer["camera"], answer["state"], answer["frame"]) == ("gate", "online", 1)


def test_the_clean_frame_needs_role_and_reason_and_is_noted(client, shown):
    path, reason = "/cameras/gate/frame.jpg", {"reason": "a lost child"}
    assert client.post(path, json=reason, headers=shown[Scope.VIEWER]).status_code == 403
    assert client.post(path, json={}, headers=shown[Scope.OPERATOR]).status_code == 422
    assert client.get("/audit", headers=shown[Scope.ADMIN]).json() == []
    answer = client.post(path, json=reason, headers=shown[Scope.OPERATOR])
    assert (answer.content, answer.headers["cityeye-masked"]) == (b"clean", "no")
    (entry,) = client.get("/audit", headers=shown[Scope.ADMIN]).json()
    assert entry["key"] == "live/gate/2026-03-04T05:06:07+00:00"
    assert (entry["name"], entry["reason"]) == ("operator", "a lost child")


@pytest.mark.parametrize(
    ("camera", "answer", "status", "says"),
    [
        ("gate", BLIND, 503, "it is offline: connection lost"),
        ("gate", None, 503, "it is unknown: its worker does not answer"),
        ("pond", BLIND, 404, "there is no camera 'pond'"),
    ],
)
def test_where_there_is_no_frame_it_says_why(client, shown, workers, camera, answer, status, says):
    workers.answers = {camera: answer}
    got = client.get(f"/cameras/{camera}/frame.jpg", headers=shown[Scope.VIEWER])
    assert got.status_code == status
    assert says in got.json()["detail"]
    if answer is BLIND and status == 503:
        assert got.headers["cityeye-state"] == "offline"
        assert got.headers["cityeye-reason"] == "connection lost ? retrying"


def test_of_a_silent_worker_nothing_old_is_shown(client, shown, workers):
    workers.states = [worker_state("gate", silent_s=9.0)]
    got = client.get("/cameras/gate/frame.jpg", headers=shown[Scope.VIEWER])
    assert (got.status_code, got.headers["cityeye-state"]) == (503, "unknown")
    assert "has not answered for 9 s" in got.json()["detail"]
    assert workers.asked == []


def test_a_first_frame_is_waited_for_and_a_camera_without_one_is_not_for_ever(
    client, shown, workers, monkeypatch
):
    monkeypatch.setattr(shared, "FIRST_WAIT_S", 0.5)
    workers.answers = {"gate": LiveAnswer(CameraState.ONLINE, "", None, wait_s=20.0)}
    got = client.get("/cameras/gate/frame.jpg", headers=shown[Scope.VIEWER])
    assert "analysed every 20 s" in got.json()["detail"]
    assert len(workers.asked) > 2


def run(test) -> None:
    asyncio.run(asyncio.wait_for(test, 20))


def test_many_who_watch_cost_what_one_does(workers):
    async def watched() -> None:
        frames = LiveFrames(workers.ask, workers.all)
        await asyncio.gather(*(frames.newest("gate", LiveOptions()) for _ in range(50)))
        assert len(workers.asked) == 1
        await frames.newest("gate", LiveOptions(boxes=True))
        assert len(workers.asked) == 2

    run(watched())


async def parts_of(stream: AsyncIterator[bytes], number: int) -> list[bytes]:
    parts = [await anext(stream) for _ in range(number)]
    await stream.aclose()  # type: ignore[attr-defined]
    return parts


def test_a_stream_says_that_the_camera_was_lost_instead_of_repeating_its_last_frame(workers):
    async def watched() -> None:
        frames = LiveFrames(workers.ask, workers.all)
        stream = frames.stream("gate", LiveOptions(), 5.0, lambda: True)
        first, second = await anext(stream), await anext(stream)
        assert first.startswith(b"--cityeye-frame\r\nContent-Type: image/jpeg\r\n")
        assert first.endswith(b"\r\n\r\nmasked\r\n")
        assert second.endswith(b"masked\r\n")
        workers.answers = {"gate": BLIND}
        (lost,) = await parts_of(stream, 1)
        jpeg = lost.partition(b"\r\n\r\n")[2]
        slate = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
        assert slate is not None
        assert slate.shape == (360, 640, 3)
        assert frames._readers == 0

    run(watched())


def test_streams_are_bounded_and_end_with_the_token(workers, monkeypatch):
    monkeypatch.setattr(shared, "CHECK_EVERY_S", 0.1)

    async def watched() -> None:
        frames = LiveFrames(workers.ask, workers.all)
        streams = [
            frames.stream("gate", LiveOptions(), 5.0, lambda: True)
            for _ in range(shared.MOST_READERS)
        ]
        for stream in streams:
            frames.check_room()
            await anext(stream)
        with pytest.raises(HTTPException) as refused:
            frames.check_room()
        assert refused.value.status_code == 503
        for stream in streams:
            await stream.aclose()  # type: ignore[attr-defined]
        frames.check_room()
        ended = frames.stream("gate", LiveOptions(), 5.0, lambda: False)
        assert len([part async for part in ended]) <= 2

    run(watched())
