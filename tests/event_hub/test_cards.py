import itertools
from datetime import timedelta
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from event_hub import cards
from event_hub.board import Board, read_board
from event_hub.envelope import parse_event
from event_hub.store import EventStore
from tests.event_hub.samples import (
    START,
    camera_state,
    dump,
    heartbeat,
    incident,
    keyframe,
    picture,
)

EVIL = "<img src=x onerror=alert(1)>\"'`&{{7*7}}</template></script>"
PLAIN = {"article", "button", "div", "header", "i", "li", "p", "span", "strong", "time", "ul"}
VIEWER = {"a", "dd", "dl", "dt", "figcaption", "figure", "h2", "h3", "template"}
PICTURE = {"img", "rect", "svg", "text"}
TAGS = PLAIN | VIEWER | PICTURE


class Markup(HTMLParser):
    """Collects what a browser would see."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: list[tuple[str, str | None]] = []
        self.words = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes += attrs

    def handle_data(self, data: str) -> None:
        self.words += data


def board_of(folder: Path, *events: dict[str, Any]) -> Board:
    store = EventStore(f"sqlite:///{folder}/hub.db")
    try:
        store.add([parse_event(dump(event)) for event in events])
        return read_board(store)
    finally:
        store.close()


def test_no_data_becomes_markup(tmp_path: Path) -> None:
    key = "kf/" + EVIL.replace("</", "<") + ".jpg"
    camera = {"id": EVIL, "name": EVIL, "place": {}}
    bad = incident(
        EVIL,
        kind=EVIL,
        zone=EVIL,
        camera=camera,
        detail={EVIL: 1.0},
        keyframes=[keyframe(key, picture())],
        subjects=[{"track": 1, "label": EVIL, "score": 0.5, "box": [0.1, 0.1, 0.2, 0.2]}],
        model={"name": EVIL, "version": EVIL},
    )
    ended = incident(EVIL + "2", 2, "ended", end_reason=EVIL, zone=EVIL)
    state = camera_state(state="stopped")
    state["data"] |= {"camera": camera, "reason": EVIL}
    beat = heartbeat({"cam-2": "offline"})
    beat["data"]["cameras"][0] |= {"camera": camera | {"id": EVIL + "2"}, "reason": EVIL}
    board = board_of(tmp_path, bad, ended, state, beat)
    html = [cards.incident_card(view) for view in board.incidents]
    assert len(html) == 2
    for part in [*html, cards.camera_rows(board.cameras)]:
        seen = Markup(part)
        assert seen.tags <= TAGS
        assert not [name for name, _ in seen.attributes if name.startswith("on")]
        assert EVIL in seen.words


def card_of(folder: Path, *events: dict[str, Any]) -> Markup:
    return Markup(cards.incident_card(board_of(folder, *events).incidents[0]))


def test_boxes_are_drawn_where_the_subjects_were_when_the_keyframe_was_taken(
    tmp_path: Path,
) -> None:
    shot = [keyframe("kf/a.jpg", picture())]
    later = [{"track": 4, "label": "car", "score": 0.9, "box": [0.9, 0.9, 1.0, 1.0]}]
    card = card_of(
        tmp_path,
        incident(keyframes=shot),
        incident(revision=2, phase="updated", keyframes=shot, subjects=later),
    )
    attributes = [pair for pair in card.attributes if pair[0] in {"x", "y", "width", "height"}]
    rect = [("x", "80.0"), ("y", "59.4"), ("width", "80.0"), ("height", "59.4")]
    assert attributes[:4] == rect
    assert "car 90%" in card.words


@pytest.mark.parametrize("box", [[0.5, 0.5, 0.5, 0.9], [0.9, 0.1, 0.2, 0.3], [1.5, 0, 2, 1]])
def test_a_box_without_area_in_the_image_is_left_out(tmp_path: Path, box: list[float]) -> None:
    subject = {"track": 1, "label": "car", "score": 0.9, "box": box}
    card = card_of(
        tmp_path, incident(keyframes=[keyframe("kf/a.jpg", picture())], subjects=[subject])
    )
    assert "rect" not in card.tags


def test_the_thumbnail_is_the_peak_and_a_pending_keyframe_is_announced(tmp_path: Path) -> None:
    opening, peak = keyframe("kf/o.jpg", b"o"), keyframe("kf/p.jpg", b"p", "peak")
    card = card_of(tmp_path, incident(keyframes=[opening, peak]))
    pictures = [value for name, value in card.attributes if name == "src"]
    assert pictures[0] == "/api/keyframes/kf/p.jpg"
    assert set(pictures[1:]) == {"/api/keyframes/kf/o.jpg", "/api/keyframes/kf/p.jpg"}
    waiting = incident("b", keyframes=[keyframe("kf/x.jpg", b"", state="pending")])
    waiting["data"]["opened_at"] = (START + timedelta(hours=1)).isoformat()
    pending = card_of(tmp_path, waiting)
    assert "Picture is on its way" in pending.words
    assert "img" not in pending.tags


def test_quiet_and_blind_read_differently(tmp_path: Path) -> None:
    beats = itertools.count(1)

    def lines(states: dict[str, str]) -> str:
        heard = [heartbeat(states, next(beats))] if states else []
        board = board_of(tmp_path, *heard)
        return Markup(cards.notice(board) + cards.empty(board)).words

    assert "No camera has reported yet" in lines({})
    assert lines({"a": "online"}) == "No incident. 1 of 1 camera is watching."
    some = lines({"a": "online", "b": "degraded"})
    assert some == "No incident. 1 of 2 cameras are watching."
    blind = lines({"a": "offline", "b": "stopped"})
    assert "No camera is online" in blind
    assert "no camera is watching" in blind


def test_silent_cameras_are_not_watching(tmp_path: Path) -> None:
    board = board_of(tmp_path, camera_state("a"), camera_state("b"), heartbeat({"a": "online"}))
    assert (board.watching, len(board.cameras)) == (1, 2)
    assert cards.notice(board) == ""
    rows = Markup(cards.camera_rows(board.cameras))
    assert rows.words.startswith("Bnot watching")
    assert "nothing heard since this hub started; last known: online" in rows.words
    assert ("class", "cy-silent") in rows.attributes
    assert "1/2 cameras watching" in Markup(cards.counts(board)).words
    # The hub that reads this has heard of nobody yet.
    later = board_of(tmp_path)
    assert (later.watching, len(later.cameras)) == (0, 2)
    assert "Nothing is heard from any camera" in cards.notice(later)
    assert "no camera is watching" in cards.empty(later)


def test_a_stopped_camera_says_why(tmp_path: Path) -> None:
    stopped = camera_state("a", "stopped", 2)
    stopped["data"]["reason"] = "CityEye was stopped"
    board = board_of(tmp_path, heartbeat({"a": "online"}, number=1), stopped)
    assert board.watching == 0
    assert "stoppedCityEye was stopped" in Markup(cards.camera_rows(board.cameras)).words


def test_the_page_is_bounded_and_says_so(tmp_path: Path) -> None:
    many = [incident(f"i-{n}", opened_at=START + timedelta(seconds=n)) for n in range(103)]
    ended = incident("old", 2, "ended")
    board = board_of(tmp_path, *many, ended)
    assert (board.open, len(board.incidents)) == (103, 100)
    assert board.incidents[0].incident.incident_id == "i-102"
    assert "newest 100 of 103" in cards.overflow(board)
    states = {f"c-{n}": "online" if n else "offline" for n in range(70)}
    crowd = board_of(tmp_path, heartbeat(states))
    listing = Markup(cards.camera_rows(crowd.cameras)).words
    assert listing.startswith("C-0offline")
    assert "and 10 more cameras" in listing


def test_high_and_critical_count_together(tmp_path: Path) -> None:
    severities = ("low", "high", "critical", "critical")
    board = board_of(tmp_path, *(incident(f"i-{n}", severity=s) for n, s in enumerate(severities)))
    assert "3 high or critical" in " ".join(Markup(cards.counts(board)).words.split())


def test_the_image_of_the_peak_has_the_boxes_of_the_peak(tmp_path: Path) -> None:
    at = START.isoformat()
    box = {"track": 9, "label": "bus", "score": 0.5, "box": [0.1, 0.1, 0.2, 0.2]}
    peak = {"at": at, "severity": "high", "size": 7, "detail": {"vehicles": 7}, "subjects": [box]}
    shown = [keyframe("a", b"", "closing"), keyframe("b", b"", "peak") | {"at": at}]
    ended = incident(revision=2, phase="ended", severity="high", peak=peak, keyframes=shown)
    (view,) = board_of(tmp_path, ended).incidents
    assert [one.label for one in view.keyframes[shown[1]["key"]].subjects] == ["bus"]
    assert [one.label for one in view.keyframes[shown[0]["key"]].subjects] == ["car"]
    assert "At its height7 vehicles" in Markup(cards.incident_card(view)).words
