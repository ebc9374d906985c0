"""What people decided says how good a model is, and gives images to train it on."""

from __future__ import annotations

import io
import json
import zipfile
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from event_hub.cases.precision import wilson
from tests.event_hub.cases.conftest import Act
from tests.event_hub.conftest import Client
from tests.event_hub.samples import START, incident, keyframe, picture
from tests.event_hub.test_evidence import put

OVERLAY = {
    "place": [[0, 0], [1, 0], [1, 1]],
    "tracks": [
        {"track": 4, "label": "car", "box": [0.25, 0.5, 0.5, 1.0], "subject": True},
        {"track": 5, "label": "person", "box": [0.0, 0.0, 0.1, 0.1]},
    ],
}


def rows(hub: Client, **query: str) -> list[dict[str, Any]]:
    return list(hub.json("/api/precision", **query)["rows"])


def test_precision_is_what_people_decided(hub: Client, act: Act) -> None:
    assert rows(hub) == []
    newer = {"name": "street", "version": "2"}
    for number in range(4):
        hub.post(incident(f"one-{number}"))
        hub.post(incident(f"two-{number}", model=newer, opened_at=START + timedelta(days=1)))
    hub.post(incident("same", model=newer))
    hub.post(incident("untouched", camera={"id": "cam-2"}))
    act("confirm", "one-0", revision=0)
    act("dispatch", "one-1", revision=0, to="team")
    act("false-alarm", "one-2", revision=0, reason="poor_view")
    act("note", "one-3", revision=0, text="not decided")
    for number in range(3):
        act("confirm", f"two-{number}", revision=0)
    act("resolve", "two-0", revision=1)
    act("false-alarm", "two-3", revision=0, reason="duplicate")
    first, second = rows(hub)
    assert (first["model"]["version"], first["real"], first["false_alarms"]) == ("1", 2, 1)
    assert first["precision"] == pytest.approx(2 / 3)
    assert first["reasons"] == {"poor_view": 1}
    assert (second["model"]["version"], second["real"], second["precision"]) == ("2", 3, 1.0)
    assert 0.4 < second["low"] < second["high"] == 1.0
    assert rows(hub, version="2") == [second]
    assert rows(hub, since=(START + timedelta(hours=1)).isoformat()) == [second]
    assert rows(hub, until=(START + timedelta(hours=1)).isoformat()) == [first]
    assert rows(hub, camera="cam-2") == []
    act("reopen", "one-2", revision=1)
    assert rows(hub, version="1")[0]["false_alarms"] == 0
    assert hub.get("/api/precision", since="yesterday").status == 422


def test_the_interval_is_the_one_of_the_tables() -> None:
    # Newcombe 1998, table I, method 3: 81 of 263 and 0 of 20.
    assert wilson(81, 263) == pytest.approx((0.2553, 0.3662), abs=1e-4)
    assert wilson(0, 20) == pytest.approx((0.0, 0.1611), abs=1e-4)
    assert wilson(0, 0) is None


def test_disputed_keyframes_are_a_coco_set(hub: Client, act: Act, tmp_path: Path) -> None:
    stored, gone = "kf-30d/v1/2026/11/20/cam-1/04/a.jpg", "kf-30d/v1/2026/11/20/cam-1/04/b.jpg"
    put(tmp_path / "kf", stored, picture())
    shown = keyframe(stored, picture()) | {"overlay": OVERLAY, "masked": True}
    lost = keyframe(gone, picture(30), "peak")
    closing = keyframe(stored, picture(), "closing")
    hub.post(incident("false", keyframes=[shown, lost, closing]))
    hub.post(incident("old", keyframes=[keyframe(stored, picture())], kind="littering.dropped"))
    hub.post(incident("real", keyframes=[shown]))
    act("false-alarm", "false", revision=0, reason="wrong_kind")
    act("false-alarm", "old", revision=0, reason="nothing_there")
    act("confirm", "real", revision=0)
    answer = hub.get("/api/disputed.zip")
    assert (answer.status, answer.headers["Content-Type"]) == (200, "application/zip")
    archive = zipfile.ZipFile(io.BytesIO(answer.data))
    coco = json.loads(archive.read("annotations.json"))
    assert [one["attributes"]["incident_id"] for one in coco["images"]] == ["false", "old"]
    (image, second) = coco["images"]
    assert archive.read(image["file_name"]) == picture()
    assert (image["width"], image["attributes"]["reason"]) == (320, "wrong_kind")
    assert image["attributes"]["masked"] is True
    left_out = coco["info"]["left_out"]
    lost_one = {"key": gone, "incident_id": "false", "why": "it is not in the store any more"}
    assert left_out["keyframes"] == [lost_one]
    assert (left_out["duplicates"], left_out["older"], left_out["without_keyframe"]) == (0, 0, [])
    assert int(answer.headers["Content-Length"]) == len(answer.data)
    names = {one["id"]: one["name"] for one in coco["categories"]}
    boxes = {
        names[one["category_id"]]: (one["bbox"], one["attributes"]["disputed"])
        for one in coco["annotations"]
        if one["image_id"] == image["id"]
    }
    assert boxes == {"car": ([80, 90, 80, 90], True), "person": ([0, 0, 32, 18], False)}
    assert next(one["area"] for one in coco["annotations"]) == 7200
    own = [one for one in coco["annotations"] if one["image_id"] == second["id"]]
    assert own[0]["attributes"]["disputed"] is True
    for query in ({"kind": "littering.dropped"}, {"limit": "1"}):
        few = zipfile.ZipFile(io.BytesIO(hub.get("/api/disputed.zip", **query).data))
        assert len(json.loads(few.read("annotations.json"))["images"]) == 1


def test_a_set_of_disputed_keyframes_says_what_is_not_in_it(
    hub: Client, act: Act, tmp_path: Path
) -> None:
    stored, changed = "kf-30d/v1/2026/11/20/cam-1/04/a.jpg", "kf-30d/v1/2026/11/20/cam-1/04/b.jpg"
    put(tmp_path / "kf", stored, picture())
    put(tmp_path / "kf", changed, picture(60))
    of_a, of_b = keyframe(stored, picture()), keyframe(changed, picture(30), "peak")
    for day, (name, images, reason) in enumerate(
        [
            ("older", [of_a], "nothing_there"),
            ("bare", [], "nothing_there"),
            ("twice", [of_a], "duplicate"),
            ("newest", [of_a, of_b], "wrong_kind"),
        ]
    ):
        hub.post(incident(name, keyframes=images, opened_at=START + timedelta(days=day)))
        act("false-alarm", name, revision=0, reason=reason)

    def left_out(**query: str) -> dict[str, Any]:
        archive = zipfile.ZipFile(io.BytesIO(hub.get("/api/disputed.zip", **query).data))
        return dict(json.loads(archive.read("annotations.json"))["info"]["left_out"])

    whole = left_out()
    assert [(one["key"], one["why"]) for one in whole["keyframes"]] == [
        (changed, "its bytes are not those that the event names")
    ]
    assert (whole["without_keyframe"], whole["duplicates"], whole["older"]) == (["bare"], 1, 0)
    assert whole["oldest_in_set"] == START.isoformat()
    # The newest one is there with both of its keyframes, although there is room for one.
    few = left_out(limit="1")
    assert (few["older"], few["oldest_in_set"]) == (2, (START + timedelta(days=3)).isoformat())
    rest = left_out(until=few["oldest_in_set"])
    assert (rest["older"], rest["without_keyframe"], rest["keyframes"]) == (0, ["bare"], [])
