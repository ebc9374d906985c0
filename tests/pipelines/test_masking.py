"""Heads and plates in keyframes: nothing of them is left, whatever finds or loses their owners."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from camera_adapters.geometry import Size, ViewSpec
from camera_adapters.spec import CameraSpec
from models.detections import Box, Detections
from pipelines.batcher import CameraRoutes
from pipelines.camera_pipeline import CameraPipeline
from pipelines.event import EVENT
from pipelines.evidence import EvidenceRecorder
from pipelines.keyframe import encode
from pipelines.keyframe_key import is_keyframe_key, is_restricted_key
from pipelines.masking import (
    CELLS,
    OTHER_STREAM_S,
    MaskMemory,
    SensitiveImage,
    masked,
    regions_of,
)
from pipelines.plan import CameraPlan, ModelRef, Route, TaskPlan
from pipelines.rules.rule_plan import RulePlan
from pipelines.rules.zone import Zone
from pipelines.shadow.comparison import CameraShadow
from pipelines.track import Track
from tests.pipelines.delivery.outboxes import Edge
from tests.pipelines.frames import FULL, PlainImage, make_frame

ASPECT = 16 / 9
LABELS = ("person", "car", "bicycle", "bag")
MODEL = ModelRef("street", "1", Size(640, 384), LABELS, 0.4)
WHOLE = Zone("square", ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0)))
CROWD = RulePlan("crowding.density", (WHOLE,), {"min_persons": 1, "confirm_s": 1.0}, version="1")


def noise(seed: int = 1, height: int = FULL.height, width: int = FULL.width):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def colours(part) -> int:
    return len(np.unique(part.reshape(-1, 3), axis=0))


def pixels(box: Box, width: int = FULL.width, height: int = FULL.height):
    rows = slice(round(box.y1 * height), round(box.y2 * height))
    return rows, slice(round(box.x1 * width), round(box.x2 * width))


@pytest.mark.parametrize("side", [1, 2, 3, 7, 40, 400])
def test_a_region_becomes_a_few_cells_and_the_rest_stays(side):
    image = noise()
    left, top = 0.4, 0.3
    region = Box(left, top, left + side / FULL.width, top + side / FULL.height)
    result = masked(image, [region])
    changed = np.argwhere((result != image).any(axis=2))
    part = result[pixels(region)]
    assert colours(part) <= (CELLS + 1) ** 2
    if side > CELLS:
        assert colours(part) < colours(image[pixels(region)])
    margin = changed.max(axis=0) - changed.min(axis=0)
    assert max(margin) <= side + 8
    assert (image == noise()).all(), "the image itself stays"


@pytest.mark.parametrize("region", [Box(-1, -1, 2, 2), Box(0.99, 0.99, 3, 3), Box(-2, 0, -1, 1)])
def test_regions_beyond_the_image_do_no_harm(region):
    assert masked(noise(), [region]).shape == (FULL.height, FULL.width, 3)


def test_what_is_masked_is_the_same_whatever_the_face_was():
    """Two faces with the same means give the same image: nothing else of them is left."""
    image = np.full((90, 160, 3), 100, np.uint8)
    other = image.copy()
    image[20:60:2, 40:80] = 90
    image[21:60:2, 40:80] = 110
    other[20:60, 40:80:2] = 90
    other[20:60, 41:80:2] = 110
    region = Box(42.5 / 160, 22.5 / 90, 77.5 / 160, 57.5 / 90)
    assert (masked(image, [region])[20:60, 40:80] == masked(other, [region])[20:60, 40:80]).all()


def covers(regions: tuple[Box, ...], x: float, y: float) -> bool:
    return any(one.x1 <= x <= one.x2 and one.y1 <= y <= one.y2 for one in regions)


@pytest.mark.parametrize(
    ("label", "shape", "points"),
    [
        ("person", (0.05, 0.3), [(0.5, 0.0), (0.2, 0.08), (0.8, 0.15), (0.5, -0.05)]),
        ("Pedestrian", (0.004, 0.02), [(0.5, 0.1)]),
        ("person", (0.2, 0.3), [(0.5, 0.5)]),
        ("car", (0.2, 0.2), [(0.5, 0.8), (0.1, 0.6), (0.9, 0.95), (0.5, 0.45)]),
        ("truck", (0.2, 0.4), [(0.5, 0.9)]),
        ("bicycle", (0.1, 0.3), [(0.5, 0.1), (0.5, 0.3)]),
        ("motorbike", (0.1, 0.2), [(0.5, 0.7), (0.5, 0.05)]),
        ("license plate", (0.05, 0.02), [(0.0, 0.0), (1.0, 1.0)]),
        ("face", (0.05, 0.05), [(0.0, 0.0), (1.0, 1.0)]),
    ],
)
def test_where_heads_and_plates_are(label, shape, points):
    width, height = shape
    regions = regions_of(label, Box(0.4, 0.4, 0.4 + width, 0.4 + height), ASPECT)
    for x, y in points:
        assert covers(regions, 0.4 + x * width, 0.4 + y * height), (x, y)


def test_who_stands_is_masked_no_further_than_the_shoulders():
    regions = regions_of("person", Box(0.4, 0.4, 0.45, 0.7), ASPECT)
    assert not covers(regions, 0.425, 0.4 + 0.5 * 0.3)
    assert regions_of("bag", Box(0.4, 0.4, 0.5, 0.5), ASPECT) == ()


def test_a_masked_keyframe_has_its_clean_image_and_another_has_none():
    image = SensitiveImage(PlainImage(noise()), (Box(0.4, 0.3, 0.5, 0.5),))
    encoded = encode(image)
    assert encoded.clean == encode(PlainImage(noise())).jpeg
    assert encoded.clean != encoded.jpeg
    plain = encode(PlainImage(noise()))
    assert (plain.masked, plain.clean) == (False, None)
    # Where nothing was found there is nothing to be kept apart.
    for regions in ((), (Box(2, 2, 3, 3),)):
        empty = encode(SensitiveImage(PlainImage(noise()), regions))
        assert (empty.masked, empty.clean, empty.jpeg) == (True, None, plain.jpeg)


class Square:
    """A camera's pipeline with its recorder, fed with detections by hand."""

    def __init__(self, folder, *, masking: bool = True, models=(MODEL,)) -> None:
        self.edge = Edge(folder)
        tasks = tuple(
            TaskPlan(name, model, 5.0, (CROWD,) if name == "crowding" else ())
            for name, model in zip(("crowding", "traffic"), models, strict=False)
        )
        spec = CameraSpec("gate", "rtsp://gate/live", rates={one.task: one.fps for one in tasks})
        plan = CameraPlan(spec, tasks, masking=masking)
        self.routes = CameraRoutes(plan.routes)
        shadow = CameraShadow(plan, self.routes, "e1", folder)
        recorder: EvidenceRecorder = self.edge.recorder
        self.pipeline = CameraPipeline(plan, self.routes, recorder, shadow, "e1")
        self.at_s = 1000.0
        self.image = PlainImage(noise())

    def see(self, *found: tuple[str, Box, float], times: int = 1, tasks=("crowding",)) -> None:
        """Frames in which every model finds the same."""
        for _ in range(times):
            self.at_s += 0.2
            frame = make_frame(tasks=tasks, sizes=(MODEL.size,), at_s=self.at_s)
            letterbox = frame.views[ViewSpec(MODEL.size)].letterbox
            boxes = np.array([box for _, box, _ in found], np.float32).reshape(-1, 4)
            said = [(score, LABELS.index(label)) for label, _, score in found]
            rows = np.hstack(
                [letterbox.to_analysis(boxes), np.array(said, np.float32).reshape(-1, 2)]
            )
            frame = replace(frame, full=self.image)
            routes: dict[str, Route] = dict(self.routes.newest)
            models = {routes[task].model for task in tasks}
            detections = dict.fromkeys(models, Detections.from_rows(rows))
            self.pipeline.process_frame(frame, routes, detections, self.at_s)

    def stored(self):
        """The first keyframe as the store has it, and what events say of it."""
        self.edge.upload()
        with self.edge.outbox.file.transaction() as db:
            (body,) = db.execute("SELECT body FROM incident").fetchone()
        event = EVENT.validate_json(body)
        assert event.incident is not None
        said = event.incident.keyframes[0]
        return said, decoded(self.edge.store.get(said.key))


def decoded(jpeg: bytes):
    image = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
    assert image is not None
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


def is_hidden(shown, clean, box: Box) -> bool:
    """Whether nothing of the noise in a box is left."""
    part, was = shown[pixels(box)].astype(float), clean[pixels(box)].astype(float)
    return bool(part.std() < 0.5 * was.std())


PERSON = ("person", Box(0.30, 0.30, 0.36, 0.60), 0.9)
HEAD = Box(0.31, 0.30, 0.35, 0.35)
CAR = ("car", Box(0.60, 0.50, 0.80, 0.70), 0.9)
PLATE = Box(0.66, 0.62, 0.74, 0.68)
FEET = Box(0.31, 0.50, 0.35, 0.58)


def test_everything_that_was_found_is_masked_and_the_clean_image_is_kept_apart(tmp_path):
    square = Square(tmp_path)
    far = ("person", Box(0.10, 0.10, 0.106, 0.13), 0.9)
    doubtful = ("person", Box(0.85, 0.30, 0.90, 0.55), 0.25)
    square.see(PERSON, CAR, far, doubtful, times=12)
    said, shown = square.stored()
    assert said.masked
    assert said.clean is not None
    assert is_keyframe_key(said.key)
    assert is_restricted_key(said.clean.key)
    assert not is_keyframe_key(said.clean.key)
    clean = decoded(square.edge.store.get(said.clean.key))
    for hidden in (HEAD, PLATE, Box(0.86, 0.31, 0.89, 0.36), Box(0.10, 0.10, 0.106, 0.11)):
        assert is_hidden(shown, clean, hidden), hidden
    assert not is_hidden(shown, clean, FEET)
    assert not is_hidden(clean, clean, HEAD)


def test_who_was_lost_a_moment_ago_is_masked_where_he_was_seen_last(tmp_path):
    square = Square(tmp_path)
    other = ("person", Box(0.70, 0.30, 0.76, 0.60), 0.9)
    square.see(other, PERSON, times=4)
    square.see(PERSON, times=4)
    said, shown = square.stored()
    assert said.role == "opening"
    assert is_hidden(shown, square.image.pixels, Box(0.71, 0.30, 0.75, 0.35))


def test_what_another_task_found_lately_is_masked_too(tmp_path):
    second = replace(MODEL, name="cars")
    square = Square(tmp_path, models=(MODEL, second))
    square.see(CAR, PERSON, times=3, tasks=("crowding", "traffic"))
    square.see(PERSON, times=6, tasks=("crowding",))
    _, shown = square.stored()
    assert is_hidden(shown, square.image.pixels, PLATE)


def test_an_image_of_another_stream_is_masked_where_who_walks_was_and_will_be():
    """Either stream may be the later one, so regions grow to both sides of the motion."""
    memory, speed = MaskMemory({"crowding": 5.0}), 0.2
    for step in range(6):
        left = 0.3 + speed * step * 0.2
        box = Box(left, 0.3, left + 0.06, 0.6)
        track = Track(1, "person", box, 0.9, 0.0, step * 0.2)
        memory.note(make_frame(at_s=1000.0 + step * 0.2), {}, {MODEL: [track]})
    own = memory.image(PlainImage(noise())).regions
    other = memory.image(PlainImage(noise()), is_other=True).regions
    head_x, head_y = left + 0.03, 0.33
    assert covers(own, head_x, head_y)
    for apart_s in (-OTHER_STREAM_S, -0.1, 0.0, 0.1, OTHER_STREAM_S):
        assert covers(other, head_x + speed * apart_s, head_y), apart_s
    assert not covers(own, head_x + speed * OTHER_STREAM_S, head_y)
    # Nothing moves down, so nothing is masked further down than a little more margin.
    assert not covers(other, head_x, 0.55)


def test_where_it_is_switched_off_events_say_so(tmp_path):
    square = Square(tmp_path, masking=False)
    square.see(PERSON, times=12)
    said, shown = square.stored()
    assert (said.masked, said.clean) == (False, None)
    assert not is_hidden(shown, square.image.pixels, HEAD)


def test_an_image_that_cannot_be_masked_is_not_stored(tmp_path):
    square = Square(tmp_path)
    square.see(PERSON, times=3)
    square.image = PlainImage(np.zeros((720, 1280), np.float64))
    square.see(PERSON, times=9)
    assert not square.edge.spool.names()
    assert square.edge.recorder.counters.keyframes_missed == 1


def test_the_clean_image_is_given_up_before_the_keyframe(tmp_path):
    square = Square(tmp_path)
    square.see(PERSON, times=12)
    square.edge.outbox.shed_blobs(-1, 16)
    square.see(times=60)
    said, _ = square.stored()
    assert said.masked
    assert said.clean is None
    assert square.edge.outbox.counters.keyframes_lost == 0


def test_masking_has_no_say_in_what_is_drawn(tmp_path):
    second = replace(MODEL, name="cars")
    for masking in (True, False):
        square = Square(tmp_path / str(masking), masking=masking, models=(MODEL, second))
        for step in range(12):
            moved = Box(0.3 + 0.02 * step, 0.3, 0.36 + 0.02 * step, 0.6)
            square.see(("person", moved, 0.9), tasks=("crowding", "traffic"))
        said, _ = square.stored()
        assert said.overlay is not None
        # One track of each model.
        assert [len(one.trail) > 1 for one in said.overlay.tracks] == [True, True]
