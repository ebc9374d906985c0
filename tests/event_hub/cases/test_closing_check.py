"""After a case is resolved its cameras say whether it is over, once, with an image that is kept."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from sqlalchemy import select, update

from event_hub.case_tables import CASES
from event_hub.cases.case_work import CHECK_US, CaseWork
from event_hub.cases.closing_check import ASK_EVERY_S, ClosingChecker
from event_hub.cases.forgetting import forget_cases
from event_hub.cases.image_size import image_size
from event_hub.cases.joining import CaseJoiner
from event_hub.cases.kept import case_by_id
from event_hub.cases.orders import CaseOrder, JoinOrder, NoteOrder
from event_hub.cases.reading import case_record
from event_hub.city_control import CityControl, ControlSettings
from event_hub.evidence import EvidenceKeeper
from event_hub.keyframes import EvidenceFolder, FolderKeyframes
from event_hub.store import EventStore
from event_hub.tables import KEYFRAMES
from tests.event_hub.cases.conftest import actor
from tests.event_hub.cases.test_case_work import case_events
from tests.event_hub.cases.test_forgetting import ANN, row_of
from tests.event_hub.cases.test_time_limits import LIMITS
from tests.event_hub.conftest import StartHub
from tests.event_hub.samples import in_city, incident, picture
from tests.event_hub.test_city_control import Control
from tests.event_hub.test_store import add

CITY = "Xinjin"
AT = "2026-11-20T05:00:00+00:00"


class Camera:
    """What the control API says of every place."""

    def __init__(self, server: Control) -> None:
        self._server = server
        self.says(holds=False)

    def says(self, holds: bool | None, reason: str = "", image: bytes = picture(7)) -> None:
        place = json.dumps({"holds": holds, "reason": reason}).encode()
        server = self._server
        server.headers = {"CityEye-Frame-At": AT, "CityEye-Masked": "yes"}
        server.bodies = {"place": place, "frame.jpg": image}

    @property
    def asked(self) -> int:
        return sum("/place?" in path for path, _ in self._server.asked)


@pytest.fixture
def settings(control: Control) -> ControlSettings:
    url = f"http://127.0.0.1:{control.server_port}"
    return ControlSettings(url=url, token=SecretStr("own"), city=CITY)


@pytest.fixture
def camera(control: Control) -> Camera:
    return Camera(control)


class Desk:
    """A store with one confirmed case, and who checks it."""

    def __init__(self, store: EventStore, settings: ControlSettings, folder: Path) -> None:
        self.store = store
        self.folder = EvidenceFolder(folder / "evidence")
        self.checker = ClosingChecker(store, CityControl(settings), self.folder)
        self.work = CaseWork(store, LIMITS, checked_city=CITY)
        add(store, in_city(incident(), CITY))
        self.act("confirmed", CaseOrder(revision=0))

    def act(self, action: Any, order: CaseOrder) -> Any:
        return self.work.act(row_of(self.store, "i-1"), action, order, ANN)

    def check(self) -> int:
        self.checker._asked_s.clear()
        return self.checker.check_due()

    def record(self, case_id: str) -> Any:
        with self.store.database.read() as connection:
            case = case_by_id(connection, case_id)
            assert case is not None
            return case_record(connection, case, LIMITS)

    def end_time(self) -> None:
        with self.store.database.write() as connection:
            earlier = CASES.c.check_until_us - CHECK_US
            connection.execute(update(CASES).values(check_until_us=earlier))


@pytest.fixture
def desk(store: EventStore, settings: ControlSettings, tmp_path: Path) -> Desk:
    return Desk(store, settings, tmp_path)


def test_a_hub_checks_by_itself_and_shows_the_image(
    start_hub: StartHub, settings: ControlSettings, camera: Camera
) -> None:
    hub = start_hub(control=settings, address="https://hub.example")
    hub.post(in_city(incident(), CITY))
    act = actor(hub)
    act("confirm", revision=0)
    act("resolve", revision=1)
    end_s = time.monotonic() + 20
    while (case := hub.json("/api/incidents/i-1/case"))["history"][-1]["action"] != "checked":
        assert time.monotonic() < end_s
        time.sleep(0.1)
    check = case["history"][-1]["check"]
    assert (case["state"], check["outcome"]) == ("resolved", "clear")
    image = check["places"][0]["keyframe"]
    assert (image["width"], image["height"], image["masked"]) == (320, 180, True)
    assert image["url"] == f"https://hub.example/api/keyframes/{image['key']}"
    assert hub.get(f"/api/keyframes/{image['key']}").data == picture(7)
    assert hub.get("/api/keyframe-links", key=image["key"]).status == 200
    event = case_events(hub)[-1]
    assert (event["type"], event["data"]["check"]) == ("cityeye.case.checked", check)
    order = {"incidents": ["i-1"], "reason": "a person on it asked for it"}
    assert hub.http.request("POST", f"{hub.url}/api/deletions", json=order).status == 200
    assert hub.get(f"/api/keyframes/{image['key']}").status == 404


def test_what_is_still_there_is_said_when_the_time_is_over(desk: Desk, camera: Camera) -> None:
    camera.says(holds=True)
    done = desk.act("resolved", CaseOrder(revision=1))
    assert [desk.check(), desk.check()] == [0, 0]
    assert desk.checker.check_due() == 0
    assert (camera.asked, ASK_EVERY_S > 1) == (2, True)
    desk.end_time()
    assert desk.check() == 1
    last = desk.record(done.case_id).last
    assert (last.action, last.check.outcome, last.by.role) == ("checked", "still_there", "system")
    assert [desk.check(), desk.check()] == [0, 0]
    # It is no change for whoever reads it and takes the case up again.
    again = desk.act("reopened", CaseOrder(revision=2))
    assert (again.state, again.revision) == ("confirmed", 4)


def test_what_becomes_clear_is_clear_at_once(desk: Desk, camera: Camera) -> None:
    camera.says(holds=True)
    done = desk.act("resolved", CaseOrder(revision=1))
    assert desk.check() == 0
    camera.says(holds=False)
    assert desk.check() == 1
    assert desk.record(done.case_id).last.check.outcome == "clear"


def test_a_camera_that_cannot_say_is_no_proof(desk: Desk, camera: Camera) -> None:
    camera.says(holds=None, reason="the image does not show the place: covered", image=b"no jpeg")
    done = desk.act("resolved", CaseOrder(revision=1))
    assert desk.check() == 0
    desk.end_time()
    assert desk.check() == 1
    check = desk.record(done.case_id).last.check
    assert (check.outcome, check.places[0].keyframe) == ("unseen", None)
    assert "covered" in check.places[0].reason


def test_a_control_api_that_is_away_is_named(
    desk: Desk,
    control: Control,
    camera: Camera,
) -> None:
    control.shutdown()
    control.server_close()
    done = desk.act("resolved", CaseOrder(revision=1))
    desk.end_time()
    assert desk.check() == 1
    check = desk.record(done.case_id).last.check
    assert (check.outcome, "does not answer" in check.places[0].reason) == ("unseen", True)


def test_a_case_that_is_taken_up_again_is_not_checked(desk: Desk, camera: Camera) -> None:
    camera.says(holds=True)
    desk.act("resolved", CaseOrder(revision=1))
    desk.act("noted", NoteOrder(revision=2, text="swept"))
    assert desk.check() == 0
    desk.act("reopened", CaseOrder(revision=3))
    asked = camera.asked
    desk.end_time()
    assert (desk.check(), camera.asked) == (0, asked)


def test_a_case_that_was_joined_is_checked_with_the_other(desk: Desk, camera: Camera) -> None:
    camera.says(holds=True)
    add(desk.store, in_city(incident("i-2"), CITY))
    gone = desk.act("resolved", CaseOrder(revision=1))
    joiner = CaseJoiner(desk.store, LIMITS)
    order = JoinOrder(revision=0, incident="i-1", other_revision=2)
    joiner.join(row_of(desk.store, "i-2"), row_of(desk.store, "i-1"), order, ANN)
    assert (desk.check(), camera.asked) == (0, 0)
    assert desk.record(gone.case_id).last.action == "joined"


def test_images_go_with_their_case(desk: Desk, camera: Camera) -> None:
    desk.act("resolved", CaseOrder(revision=1))
    assert desk.check() == 1
    (path,) = list(desk.folder._root.rglob("*.jpg"))
    keeper = EvidenceKeeper(desk.store, FolderKeyframes(path.parent), desk.folder)
    os.utime(path, (0, 0))
    assert keeper.remove_unnamed() == 0
    with desk.store.database.write() as connection:
        forget_cases(connection, ["i-1"])
        assert connection.scalars(select(KEYFRAMES.c.key)).all() == []
    assert (keeper.remove_unnamed(), path.exists()) == (1, False)


def test_the_size_of_an_image_is_in_its_header() -> None:
    assert image_size(picture()) == (320, 180)
    for broken in (b"", b"\xff\xd8", picture()[:12], b"\x89PNG\r\n", b"\xff\xd8\xff\xe0\x00"):
        assert image_size(broken) is None
