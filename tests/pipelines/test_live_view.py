"""The live view: nothing while nobody asks, masked, never old, one encoding for all who want it."""

from __future__ import annotations

import time
from datetime import UTC, datetime

import cv2
import numpy as np
import pytest

from camera_adapters.frame import Image
from camera_adapters.geometry import Size
from models.detections import Box
from pipelines.errors import EncodingError
from pipelines.live_view import LiveOptions, LivePlaces, LiveView, slate
from pipelines.masking import SensitiveImage
from pipelines.plan import ModelRef
from pipelines.track import Track
from tests.pipelines.frames import PlainImage, make_frame

MODEL = ModelRef("street", "1", Size(640, 384), ("person",), 0.4)
ZONES = {"square": ((0.1, 0.1), (0.9, 0.1), (0.9, 0.9))}
HEAD = Box(0.4, 0.2, 0.6, 0.5)


def noise() -> Image:
    return np.random.default_rng(1).integers(0, 256, (360, 640, 3), np.uint8)


def track(id_: int, at_s: float) -> Track:
    return Track(id_, "person", HEAD, 0.8, at_s, at_s, 16 / 9)


def noted(view: LiveView, image: object, at_s: float | None = None, index: int = 1) -> None:
    at_s = time.monotonic() if at_s is None else at_s
    frame = make_frame(index=index, at_s=at_s, captured_at=datetime(2026, 3, 4, tzinfo=UTC))
    view.note(frame, image, {MODEL: (track(7, at_s),)})  # type: ignore[arg-type]


def view_of(image: object = None, fps: float = 5.0) -> LiveView:
    view = LiveView(LivePlaces(ZONES), fps)
    noted(view, PlainImage(noise()) if image is None else image)
    return view


def pixels(jpeg: bytes) -> Image:
    image = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
    assert image is not None
    return image[:, :, ::-1].astype(np.uint8)


def given(view: LiveView, **options: object):
    frame = view.newest(LiveOptions(**options))  # type: ignore[arg-type]
    assert frame is not None
    return frame


def test_frames_are_wanted_from_the_first_question_on_and_not_for_ever(monkeypatch):
    view = LiveView(LivePlaces(), 5.0)
    now_s = time.monotonic()
    assert view.wanted_until_s < now_s
    assert view.newest(LiveOptions()) is None
    assert view.wanted_until_s > now_s
    noted(view, PlainImage(noise()))
    view.forget()
    assert view.newest(LiveOptions()) is not None
    later_s = view.wanted_until_s + 1.0
    monkeypatch.setattr(time, "monotonic", lambda: later_s)
    view.forget()
    assert view._held is None, "a full image is some megabytes"


def test_an_old_frame_is_none():
    view = LiveView(LivePlaces(), 5.0)
    noted(view, PlainImage(noise()), time.monotonic() - 6.0)
    assert view.newest(LiveOptions()) is None
    slow = LiveView(LivePlaces(), 0.1)
    noted(slow, PlainImage(noise()), time.monotonic() - 6.0)
    frame = slow.newest(LiveOptions())
    assert frame is not None
    assert 5.9 < frame.age_s < 9.0


def test_a_frame_that_does_not_come_is_expected_for_some_seconds_only(monkeypatch):
    view = LiveView(LivePlaces(), 2.0)
    assert view.newest(LiveOptions()) is None
    assert view.wait_s == 0.5
    for later_s in (3.0, 6.0):
        at_s = time.monotonic() + later_s
        with monkeypatch.context() as then:
            then.setattr(time, "monotonic", lambda at_s=at_s: at_s)
            assert view.newest(LiveOptions()) is None
            assert view.wait_s == (0.5 if later_s < 5 else None)


def test_heads_are_masked_unless_the_clean_image_is_asked_for():
    view = view_of(SensitiveImage(PlainImage(noise()), (HEAD,)))
    plain, clean = given(view), given(view, clean=True)
    assert (plain.masked, clean.masked) == (True, False)
    rows, columns = slice(72, 180), slice(256, 384)
    assert pixels(plain.jpeg)[rows, columns].std(axis=(0, 1)).max() < 30
    assert pixels(clean.jpeg)[rows, columns].std(axis=(0, 1)).min() > 30
    assert pixels(plain.jpeg)[200:, :].std() > 30, "the rest stays"


@pytest.mark.parametrize("width", [320, 640, 1280])
def test_a_mask_holds_at_every_size(width):
    view = view_of(SensitiveImage(PlainImage(noise()), (HEAD,)))
    image = pixels(given(view, width=width).jpeg)
    assert image.shape[1] == min(width, 640)
    rows = slice(round(0.2 * image.shape[0]), round(0.5 * image.shape[0]))
    columns = slice(round(0.4 * image.shape[1]), round(0.6 * image.shape[1]))
    assert image[rows, columns].std(axis=(0, 1)).max() < 30


def test_tracks_and_places_are_drawn_only_where_they_are_wanted():
    view = view_of(PlainImage(np.zeros((360, 640, 3), np.uint8)))
    assert pixels(given(view).jpeg).max() < 20
    boxes, places = pixels(given(view, boxes=True).jpeg), pixels(given(view, places=True).jpeg)
    edge, zone = boxes[100, 250:262].max(axis=0), places[30:42, 320].max(axis=0)
    assert edge[1] > 90, "a green box"
    assert zone[2] > 90, "a blue zone"
    frame = given(view, boxes=True)
    assert [one.id for one in frame.tracks] == [7]
    assert frame.places.zones == ZONES


def test_who_wants_the_same_is_given_the_same_encoding():
    view = view_of()
    assert given(view).jpeg is given(view).jpeg
    assert given(view).jpeg is not given(view, boxes=True).jpeg
    first = given(view)
    noted(view, PlainImage(noise()), index=2)
    assert (first.index, given(view).index) == (1, 2)
    assert given(view).jpeg is not first.jpeg


def test_tracks_of_another_model_stay_for_a_moment_only():
    view = LiveView(LivePlaces(), 5.0)
    now_s = time.monotonic()
    other = ModelRef("crowd", "1", Size(640, 384), ("person",), 0.4)
    frame = make_frame(at_s=now_s - 0.5)
    view.note(frame, PlainImage(noise()), {MODEL: (track(1, now_s - 0.5),)})
    view.note(make_frame(at_s=now_s), PlainImage(noise()), {other: (track(2, now_s),)})
    assert {one.id for one in given(view).tracks} == {1, 2}
    view.note(make_frame(at_s=now_s + 0.8), PlainImage(noise()), {other: (track(2, now_s),)})
    assert {one.id for one in given(view).tracks} == {2}


def test_an_image_that_cannot_be_converted_names_no_source():
    class Broken(PlainImage):
        def rgb(self) -> Image:
            raise ValueError("rtsp://viewer:hunter2@10.0.0.5/")

    view = view_of(Broken(noise()))
    with pytest.raises(EncodingError, match=r"cannot be encoded: ValueError$"):
        view.newest(LiveOptions())


def test_a_slate_is_an_image_with_text():
    image = pixels(slate(["camera gate gives no frame now"]))
    assert image.shape == (360, 640, 3)
    assert image.max() > 150
