import re
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from event_hub.people.visible import Visible
from pipelines.access import Scope
from tests.event_hub.console.reading import PAGES, Markup, Store
from tests.event_hub.samples import START, camera_state, incident, keyframe, picture

EVIL = "<img src=x onerror=alert(1)>\"'`&{{7*7}}%(x)s</template></script>"


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path)


def sized(shot: dict[str, Any], **more: Any) -> dict[str, Any]:
    return shot | more


@pytest.mark.parametrize("page", sorted(PAGES.keys() - {"models"}))
@pytest.mark.parametrize("language", ["en", "zh"])
def test_no_data_becomes_markup(store: Store, page: str, language: Any) -> None:
    key = "kf/" + EVIL.replace("</", "<") + ".jpg"
    camera = {"id": EVIL, "name": EVIL, "place": {"lon": 103.8, "lat": 30.4, "division": EVIL}}
    bad = incident(
        EVIL,
        kind=EVIL,
        zone=EVIL,
        camera=camera,
        detail={EVIL: 1.0},
        group=EVIL + "g",
        keyframes=[keyframe(key, picture())],
        subjects=[{"track": 1, "label": EVIL, "score": 0.5, "box": [0.1, 0.1, 0.2, 0.2]}],
        model={"name": EVIL, "version": EVIL},
        case={"code": EVIL, "table": EVIL, "zh": EVIL, "en": EVIL},
        clip={"state": "none", "reason": EVIL},
    )
    ended = incident(EVIL + "2", 2, "ended", end_reason=EVIL, zone=EVIL)
    state = camera_state(state="stopped")
    state["data"] |= {"camera": camera, "reason": EVIL}
    query = {"state": "all", "date": START.date().isoformat()}
    shown = store.page(page, bad, ended, state, language=language, **query)  # type: ignore[arg-type]
    seen = Markup(shown.html)
    assert EVIL in seen.words
    assert not {name for name, _ in seen.attributes if name.startswith("on")}
    assert not seen.tags & {"script", "style", "template", "iframe"}
    assert set(seen.values("src")) <= {
        value for value in seen.values("src") if value and value.startswith("/api/keyframes/")
    }


def test_a_keyframe_says_of_which_stream_it_is(store: Store) -> None:
    why = "it has no image of that moment: no image for 8 s"
    shots = [
        sized(keyframe("1.jpg", picture()), stream="main"),
        sized(keyframe("2.jpg", picture(), "peak"), stream="inference", stream_reason=why),
    ]
    plain = store.page(
        "incidents", incident(keyframes=[keyframe("0.jpg", picture())]), incident="i-1"
    )
    (caption,) = re.findall(r"<figcaption>.*?</figcaption>", plain.html, re.DOTALL)
    assert "stream" not in caption
    seen = store.page("incidents", incident("i-1", 2, "updated", keyframes=shots), incident="i-1")
    captions = re.findall(r"<figcaption>.*?</figcaption>", seen.html, re.DOTALL)
    assert len(captions) == 2
    assert "smaller stream, as of the main stream it is said:" in captions[1]
    assert why in captions[1]
    assert "main stream" in captions[0]
    assert "smaller" not in captions[0]
    chinese = store.page("incidents", language="zh", incident="i-1")
    assert "子码流，因为主码流的情况是： 没有该时刻的图像：8 秒没有图像" in chinese.html


def test_every_open_incident_can_be_reached_and_the_worst_come_first(store: Store) -> None:
    severities = ("low", "medium", "high", "critical")
    many = [
        incident(f"i-{n}", severity=severities[n % 4], opened_at=START + timedelta(seconds=n))
        for n in range(166)
    ]
    store.page("incidents", *many)
    seen: list[str] = []
    after = ""
    while True:
        page = store.page("incidents", after=after).content
        rows = [Markup(html) for html in page.lists["queue"].values()]
        seen += [str(row.values("data-incident")[0]) for row in rows]
        following = re.search(r"after=([^&\"]+)\" data-following", page.parts["more"])
        if not following:
            break
        after = following[1].replace("%2F", "/").replace("%25", "%")
    assert sorted(seen) == sorted(f"i-{n}" for n in range(166))
    ranks = [severities.index(many[int(one[2:])]["data"]["severity"]) for one in seen]
    assert ranks == sorted(ranks, reverse=True)


def test_a_filter_leaves_what_fits_and_says_how_many(store: Store) -> None:
    events = [
        incident("jam", severity="high"),
        incident("bag", kind="littering.dropped_object", severity="low"),
        incident("over", 2, "ended"),
    ]
    camera = {"id": "cam-2", "name": "South", "place": {}}
    events.append(incident("south", camera=camera))
    store.page("incidents", *events)

    def found(**query: Any) -> set[str]:
        shown = store.page("incidents", **query)
        keys = {key.strip() for key in shown.content.lists["queue"]}
        assert shown.said("filters").startswith(f"Incidents {len(keys)} ")
        return keys

    assert found() == {"jam", "bag", "south"}
    assert found(state="ended") == {"over"}
    assert found(state="all") == {"jam", "bag", "south", "over"}
    assert found(severity="high") == {"jam"}
    assert found(text="south traffic") == {"south"}
    assert found(kind="littering.dropped_object") == {"bag"}
    assert found(camera="/cam-2") == {"south"}
    assert found(kind="no.such") == set()
    assert found(after="damaged") == {"jam", "bag", "south"}


def test_boxes_are_drawn_where_the_subjects_were_when_the_keyframe_was_taken(store: Store) -> None:
    shot = [keyframe("kf/a.jpg", picture())]
    later = [{"track": 4, "label": "car", "score": 0.9, "box": [0.9, 0.9, 1.0, 1.0]}]
    shown = store.page(
        "incidents",
        incident(keyframes=shot),
        incident(revision=2, phase="updated", keyframes=shot, subjects=later),
    ).part("incident")
    names = {"x", "y", "width", "height"}
    corners = [(k, v) for k, v in shown.attributes if k in names]
    rect = [("x", "80.0"), ("y", "59.4"), ("width", "80.0"), ("height", "59.4")]
    assert corners[:4] == rect
    assert "car 90%" in shown.words


@pytest.mark.parametrize("box", [[0.5, 0.5, 0.5, 0.9], [0.9, 0.1, 0.2, 0.3], [1.5, 0, 2, 1]])
def test_a_box_without_area_in_the_image_is_left_out(store: Store, box: list[float]) -> None:
    subject = {"track": 1, "label": "car", "score": 0.9, "box": box}
    shots = [keyframe("kf/a.jpg", picture())]
    shown = store.page("incidents", incident(keyframes=shots, subjects=[subject]))
    assert "rect" not in shown.part("incident").tags


def test_the_overlay_of_the_event_is_drawn_with_zone_trail_and_bystanders(store: Store) -> None:
    tracks = [
        {"track": 1, "label": "bus", "box": [0.5, 0.5, 0.75, 1.0], "subject": True,
         "trail": [[0.1, 0.2], [0.5, 0.5]]},
        {"track": 2, "label": "car", "box": [0.0, 0.0, 0.1, 0.1]},
    ]  # fmt: skip
    zone = {"place": [[0, 0], [1, 0], [0.5, 0.5]], "tracks": tracks}
    line = {"place": [[0, 0.5], [1, 0.5]], "tracks": []}
    shots = [
        sized(keyframe("kf/o.jpg", b"o"), overlay=zone),
        sized(keyframe("kf/c.jpg", b"c", "closing"), overlay=line),
    ]
    html = store.page("incidents", incident(keyframes=shots)).content.parts["incident"]
    assert '<polygon class="cy-zone-line" points="0.0,0.0 320.0,0.0 160.0,90.0"/>' in html
    assert '<polyline class="cy-zone-line" points="0.0,90.0 320.0,90.0"/>' in html
    assert '<polyline class="cy-trail" points="32.0,36.0 160.0,90.0"/>' in html
    # Who takes part lies above the others.
    assert html.index('class="cy-other"') < html.index('class="cy-subject"')
    assert '<rect x="160.0" y="90.0" width="80.0" height="90.0"/>' in html


def test_the_thumbnail_is_the_peak_and_a_pending_keyframe_is_announced(store: Store) -> None:
    opening, peak = keyframe("kf/o.jpg", b"o"), keyframe("kf/p.jpg", b"p", "peak")
    shown = store.page("incidents", incident(keyframes=[opening, peak]))
    (row,) = shown.content.lists["queue"].values()
    assert Markup(row).values("src") == ["/api/keyframes/kf/p.jpg"]
    assert set(shown.part("incident").values("src")) == {
        "/api/keyframes/kf/o.jpg", "/api/keyframes/kf/p.jpg",
    }  # fmt: skip
    waiting = incident("b", keyframes=[keyframe("kf/x.jpg", b"", state="pending")])
    route = {"city": "-", "incident": "b"}
    later = store.page("incidents", waiting, route=route)
    assert "The picture is on its way." in later.said("incident")
    assert "img" not in later.part("incident").tags


def test_the_image_of_the_peak_has_the_boxes_of_the_peak(store: Store) -> None:
    at = START.isoformat()
    box = {"track": 9, "label": "bus", "score": 0.5, "box": [0.1, 0.1, 0.2, 0.2]}
    peak = {"at": at, "severity": "high", "size": 7, "detail": {"vehicles": 7}, "subjects": [box]}
    shots = [keyframe("a", b"", "closing"), keyframe("b", b"b", "peak") | {"at": at}]
    ended = incident(revision=2, phase="ended", severity="high", peak=peak, keyframes=shots)
    shown = store.page("incidents", ended, state="ended")
    figures = shown.content.parts["incident"].split("<figure")[1:]
    said = {"peak": "bus", "closing": "car"}
    for figure in figures:
        role = re.search(r"cy-role-(\w+)", figure)
        assert role is not None
        assert said[role[1]] in Markup("<figure" + figure).words
    assert "At its height Vehicles 7" in shown.said("incident")


def test_a_permalink_leads_to_its_incident_or_says_that_there_is_none(store: Store) -> None:
    source = {"source": "cityeye/510118-Xinjin/cam-1"}
    shown = store.page(
        "incidents",
        incident("a/b", zone="Here") | source,
        incident("other", zone="There"),
        route={"city": "510118-Xinjin", "incident": "a/b"},
    )
    assert "Here" in shown.said("incident")
    assert shown.content.title == "Traffic jam, North Gate"
    url = 'href="/incidents/510118-Xinjin/a%2Fb"'
    assert url in "".join(shown.content.lists["queue"].values()) + shown.html
    gone = store.page("incidents", route={"city": "-", "incident": "a/b"})
    assert "No such incident" in gone.said("incident")


def test_what_only_operators_may_do_is_not_offered_to_viewers(store: Store) -> None:
    clean = {"key": "clean-7d/a.jpg", "sha256": "0" * 64, "size_bytes": 1}
    clip = {"state": "stored", "key": "clips-7d/a.mp4", "duration_s": 12.0}
    shots = [sized(keyframe("kf/a.jpg", b"a"), clean=clean, masked=True)]
    shown = store.page("incidents", incident(keyframes=shots, clip=clip)).part("incident")
    assert shown.values("data-evidence") == [
        "/api/evidence/clean-7d/a.jpg",
        "/api/evidence/clips-7d/a.mp4",
    ]
    assert shown.values("data-call") == ["POST"]
    viewer = store.page("incidents", scope=Scope.VIEWER).part("incident")
    assert viewer.values("data-evidence") == viewer.values("data-call") == []
    assert "12 s" in viewer.words


def test_who_is_limited_to_cameras_sees_no_others(store: Store) -> None:
    other = {"id": "cam-2", "name": "South", "place": {"lon": 103.8, "lat": 30.4}}
    events = [
        incident("mine", zone="Own"),
        incident("theirs", camera=other, zone="Foreign", severity="critical"),
        incident("over", 2, "ended", camera=other),
        camera_state("cam-1"),
        camera_state("cam-2"),
    ]
    sees = Visible((("cam-1", "", ""),))
    store.page("overview", *events)
    for page in ("overview", "incidents"):
        shown = store.page(page, sees=sees, state="all")
        assert "South" not in shown.html
        assert "Foreign" not in shown.html
        assert (shown.situation.open, shown.situation.grave, shown.situation.ended) == (1, 0, 0)
        assert [one.incident_id for one in shown.situation.newest] == ["mine"]
    route = {"city": "-", "incident": "theirs"}
    assert "No such incident" in store.page("incidents", sees=sees, route=route).said("incident")
    assert "Foreign" in store.page("incidents", route=route).said("incident")


def test_incidents_are_found_by_their_case_and_between_dates(store: Store) -> None:
    events = [
        incident("first", opened_at=START, severity="low"),
        incident("second", opened_at=START + timedelta(hours=5), severity="high"),
    ]
    whole = store.page("incidents", *events)

    def found(**query: Any) -> list[str]:
        queue = store.page("incidents", **query).content.lists["queue"]
        return [key.split(" ")[1] for key in queue]

    assert len(whole.content.lists["queue"]) == 2
    assert found(case="new") == ["second", "first"]
    assert found(case="confirmed") == []
    middle = (START + timedelta(hours=2)).isoformat()
    # A date counts more than a span, and what is no time counts nothing.
    assert found(**{"from": middle, "since": "1h"}) == ["second"]
    assert found(to=middle) == ["first"]
    assert found(**{"from": "yesterday"}) == found(**{"from": "2026-11-20T12:00"}) == found()
    shown = store.page("incidents", case="new", to=middle)
    assert f"until={quote(middle)}" in shown.html.replace("&amp;", "&")
    assert "case=new" in shown.html
