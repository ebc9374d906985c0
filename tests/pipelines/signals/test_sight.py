"""Sight: many doubtful boxes that move are told, an empty street never is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest

from camera_adapters.spec import CameraSpec
from models.detections import Detections
from pipelines.batcher import CameraRoutes
from pipelines.camera_pipeline import CameraPipeline
from pipelines.certainty import certainty_of
from pipelines.plan import CameraPlan, ModelRef, Route, TaskPlan
from pipelines.shadow.comparison import CameraShadow
from pipelines.signals.sight import CANNOT_SEE_S, Certainty, SightWatch
from pipelines.signals.signal import Signal, ViewFault
from tests.pipelines.frames import SIZE, make_frame

EVERY_S = 0.5
SIDE = 0.08
Boxes = npt.NDArray[np.float64]


def boxes(*places: tuple[float, float]) -> Boxes:
    return np.array([[x, y, x + SIDE, y + SIDE] for x, y in places]).reshape(-1, 4)


def moving(count: int, at_s: float) -> Boxes:
    """Vehicles that pass one behind the other, each of its width further every second."""
    return boxes(*(((n * 0.23 + at_s * SIDE) % 0.9, 0.1 + 0.2 * (n % 4)) for n in range(count)))


def still(count: int, generator: np.random.Generator) -> Boxes:
    """Posts, or parked cars; their boxes shake as those of a detector do."""
    shake = generator.uniform(-0.01, 0.01, (count, 4))
    return boxes(*((0.2 * n, 0.5) for n in range(count))) + shake


def told(found: Callable[[float], Certainty], seconds: float, watch: SightWatch) -> list[float]:
    """When, from 0 on, the watch changes its mind."""
    changes, before = [], watch.cannot_see
    for at_s in np.arange(0.0, seconds, EVERY_S).tolist():
        after = watch.observe(found(at_s), 100.0 + at_s)
        if after is not before:
            changes.append(at_s)
        before = after
    return changes


def test_traffic_in_fog_is_told_after_half_a_minute_and_ends_when_it_is_sure_again() -> None:
    def fog(at_s: float) -> Certainty:
        return Certainty(0, moving(4, at_s)) if at_s < 90 else Certainty(3, moving(1, at_s))

    begins_s, ends_s = told(fog, 240, SightWatch())
    assert begins_s == pytest.approx(CANNOT_SEE_S, abs=4)
    assert 90 < ends_s < 90 + CANNOT_SEE_S


def test_it_ends_when_nothing_moves_any_more() -> None:
    begins_s, ends_s = told(
        lambda at_s: Certainty(0, moving(4 * (at_s < 60), at_s)), 240, SightWatch()
    )
    assert begins_s < 60 < ends_s < 60 + CANNOT_SEE_S + 2


def test_an_empty_street_at_night_is_not_told_whatever_flickers_in_it() -> None:
    generator = np.random.default_rng(5)

    def night(at_s: float) -> Certainty:
        # Posts all the time, somebody who passes unseen, and a reflection now and then.
        passing = moving(1, at_s) if at_s % 60 < 40 else boxes()
        lone = boxes(tuple(generator.uniform(0, 0.9, 2))) if generator.random() < 0.05 else boxes()
        doubtful = np.concatenate([still(6, generator), passing, lone])
        return Certainty(0, doubtful)

    assert told(night, 1800, SightWatch()) == []


def test_many_names_for_one_thing_are_one_thing() -> None:
    def renamed(at_s: float) -> Certainty:
        return Certainty(0, np.repeat(moving(1, at_s), 5, axis=0))

    assert told(renamed, 300, SightWatch()) == []


@pytest.mark.parametrize(("every", "expected"), [(2, 0), (10, 1)])
def test_hardly_any_sure_box_is_as_bad_as_none_and_half_of_them_is_fine(
    every: int, expected: int
) -> None:
    def traffic(at_s: float) -> Certainty:
        return Certainty(int(at_s / EVERY_S) % every == 0, moving(4, at_s))

    assert len(told(traffic, 300, SightWatch())) == expected


def test_a_look_now_and_then_is_enough_and_a_pause_begins_anew() -> None:
    watch = SightWatch(10.0)
    seen = [watch.observe(Certainty(0, moving(4, at_s)), at_s) for at_s in range(0, 60, 5)]
    assert seen[-1]
    assert not seen[5], "ten images at least"
    assert SightWatch(10.0).observe(Certainty(0, moving(4, 0)), 0.0) is False
    paused = SightWatch()
    for at_s in (*range(25), *range(500, 528)):
        assert not paused.observe(Certainty(0, moving(4, at_s)), at_s)


MODEL = ModelRef("street", "1", SIZE, ("car", "bird"), 0.4)


def detections(at_s: float, score: float) -> Detections:
    rows = [[*(box * np.tile((SIZE.width, SIZE.height), 2)), score, 0] for box in moving(4, at_s)]
    return Detections.from_rows(np.array([*rows, [0, 0, 9, 9, 0.9, 1]], np.float32))


def test_only_people_and_vehicles_count_and_sure_is_what_the_threshold_says() -> None:
    frame = make_frame(tasks=("traffic",), at_s=1.0)
    doubtful = certainty_of(frame, {MODEL: detections(0.0, 0.3)})
    assert (doubtful.confident, len(doubtful.doubtful)) == (0, 4)
    confident = certainty_of(frame, {MODEL: detections(0.0, 0.5)})
    assert (confident.confident, len(confident.doubtful)) == (4, 0)


def test_a_camera_that_cannot_see_well_says_so_and_its_seconds_do_not_count(tmp_path) -> None:
    plan = CameraPlan(
        CameraSpec("gate", "rtsp://gate/live"),
        (TaskPlan("traffic", MODEL, 2.0, ()),),
        frozenset({Signal.VIEW}),
        cannot_see_s=20.0,
    )
    routes = CameraRoutes(plan.routes)
    views: list[ViewFault | None] = []
    shadow = CameraShadow(plan, routes, "e1", tmp_path)
    pipeline = CameraPipeline(plan, routes, None, shadow, "e1", views.append)  # type: ignore[arg-type]
    started_s = make_frame().arrived_mono_s + 1.0
    for index in range(160):
        at_s = started_s + index * EVERY_S
        # Bright enough to be no dark view.
        frame = make_frame(tasks=("traffic",), at_s=at_s, index=index, value=200)
        frame = replace(frame, arrived_mono_s=at_s)
        found = detections(at_s, 0.3 if index < 80 else 0.8)
        pipeline.process_frame(frame, {"traffic": Route(MODEL)}, {MODEL: found}, at_s)
    assert views == [ViewFault.CANNOT_SEE_WELL, None]
    # From the first image on, and until so many were confident again.
    periods = pipeline.ledger.close("stopped")
    gaps = sum(one.coverage.gaps.get("cannot_see_well", 0.0) for one in periods)
    assert 39 <= gaps <= 39 + 20
    watched_s = sum(one.coverage.watched_s for one in periods)
    assert watched_s == pytest.approx(79.5, abs=0.1)
