"""The micro-batcher: nobody waits for a timer, nobody starves, every model gets its rows."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from camera_adapters.geometry import PADDING_VALUE, Size
from camera_adapters.mailbox import Mailbox
from camera_adapters.spec import CameraSpec
from pipelines.batcher import SETTLE_S, CameraRoutes, MicroBatcher
from pipelines.detector import MicroBatch
from pipelines.plan import CameraPlan, ModelRef, Route, TaskPlan
from tests.pipelines.frames import SIZE, make_frame

LARGE = Size(96, 64)
TRAFFIC = ModelRef("traffic", "1", SIZE, ("car",), 0.3)
CROWDING = ModelRef("crowding", "1", SIZE, ("person",), 0.3)
WIDE = ModelRef("wide", "1", LARGE, ("car",), 0.3)


def plan(camera: str, models: Mapping[str, ModelRef]) -> CameraPlan:
    spec = CameraSpec(camera, "file:///none.mp4", rates=dict.fromkeys(models, 5.0))
    tasks = tuple(TaskPlan(task, model, 5.0, ()) for task, model in models.items())
    return CameraPlan(spec, tasks)


def batcher(
    *plans: CameraPlan, max_frames: int = 16
) -> tuple[MicroBatcher, dict[str, Mailbox], dict[str, CameraRoutes]]:
    arrival = threading.Event()
    mailboxes = {p.camera.id: Mailbox(on_arrival=arrival.set) for p in plans}
    routes = {p.camera.id: CameraRoutes(p.routes) for p in plans}
    return MicroBatcher(routes, mailboxes, arrival, max_frames), mailboxes, routes


def test_takes_what_is_ready_as_one_contiguous_array() -> None:
    taker, mailboxes, _ = batcher(
        plan("a", {"traffic": TRAFFIC}),
        plan("b", {"traffic": TRAFFIC}),
        plan("c", {"traffic": WIDE}),
    )
    mailboxes["a"].put(make_frame("a", value=10))
    mailboxes["b"].put(make_frame("b", value=20))
    (batch,) = taker.take(0.0)
    assert batch.images.shape == (2, SIZE.height, SIZE.width, 3)
    assert batch.images.flags.c_contiguous
    assert [int(np.median(image)) for image in batch.images] == [10, 20]
    assert batch.rows == {TRAFFIC: (0, 1)}


def test_each_model_gets_only_the_rows_that_are_due_for_it() -> None:
    both = {"traffic": TRAFFIC, "crowding": CROWDING}
    taker, mailboxes, _ = batcher(plan("a", both), plan("b", both))
    mailboxes["a"].put(make_frame("a", ("traffic",)))
    mailboxes["b"].put(make_frame("b", ("traffic", "crowding")))
    (batch,) = taker.take(0.0)
    assert batch.rows == {TRAFFIC: (0, 1), CROWDING: (1,)}


def test_models_of_different_input_size_get_batches_of_their_own() -> None:
    taker, mailboxes, _ = batcher(plan("a", {"traffic": TRAFFIC, "wide": WIDE}))
    mailboxes["a"].put(make_frame("a", ("traffic", "wide"), sizes=(SIZE, LARGE)))
    batches = taker.take(0.0)
    assert {(b.images.shape[2], tuple(b.rows)) for b in batches} == {
        (SIZE.width, (TRAFFIC,)),
        (LARGE.width, (WIDE,)),
    }


def test_cameras_take_turns_when_a_batch_cannot_hold_all() -> None:
    names = ("a", "b", "c")
    taker, mailboxes, _ = batcher(
        *(plan(name, {"traffic": TRAFFIC}) for name in names), max_frames=2
    )
    served = []
    for _ in range(3):
        for name in names:
            mailboxes[name].put(make_frame(name))
        (batch,) = taker.take(0.0)
        served += [frame.camera for frame in batch.frames]
    assert {name: served.count(name) for name in names} == {"a": 2, "b": 2, "c": 2}


def test_what_did_not_fit_is_taken_next_without_a_new_arrival() -> None:
    taker, mailboxes, _ = batcher(
        plan("a", {"traffic": TRAFFIC}), plan("b", {"traffic": TRAFFIC}), max_frames=1
    )
    mailboxes["a"].put(make_frame("a"))
    mailboxes["b"].put(make_frame("b"))
    assert [f.camera for b in taker.take(0.0) for f in b.frames] == ["a"]
    assert [f.camera for b in taker.take(5.0) for f in b.frames] == ["b"]


def test_a_model_that_takes_one_image_at_a_time_gets_one() -> None:
    single = ModelRef("single", "1", SIZE, ("car",), 0.3, max_batch=1)
    taker, mailboxes, _ = batcher(plan("a", {"traffic": single}), plan("b", {"traffic": single}))
    mailboxes["a"].put(make_frame("a"))
    mailboxes["b"].put(make_frame("b"))
    assert [len(batch.frames) for batch in taker.take(0.0)] == [1]


def test_an_arrival_ends_the_wait() -> None:
    taker, mailboxes, _ = batcher(plan("a", {"traffic": TRAFFIC}))
    threading.Timer(0.05, mailboxes["a"].put, (make_frame("a"),)).start()
    (batch,) = taker.take(10.0)
    assert batch.frames[0].camera == "a"


def test_no_frame_is_no_batch() -> None:
    taker, _, _ = batcher(plan("a", {"traffic": TRAFFIC}))
    assert taker.take(0.01) == []


def versions(batches: list[MicroBatch]) -> list[str]:
    return [model.version for batch in batches for model in batch.rows]


NEXT = ModelRef("traffic", "2", SIZE, ("car",), 0.3)
NEXT_LARGE = ModelRef("traffic", "3", LARGE, ("car",), 0.3)


def test_a_new_version_takes_over_with_the_next_frame() -> None:
    taker, mailboxes, routes = batcher(plan("a", {"traffic": TRAFFIC}))
    mailboxes["a"].put(make_frame("a"))
    assert versions(taker.take(0.0)) == ["1"]
    routes["a"].change({"traffic": Route(NEXT)})
    assert routes["a"].models == {"traffic/1", "traffic/2"}, "a frame may still be on its way"
    mailboxes["a"].put(make_frame("a"))
    assert versions(taker.take(0.0)) == ["2"]
    assert routes["a"].models == {"traffic/2"}


def test_a_frame_that_was_scaled_before_the_change_goes_the_old_way() -> None:
    taker, mailboxes, routes = batcher(plan("a", {"traffic": TRAFFIC}))
    mailboxes["a"].put(make_frame("a", sizes=(SIZE,)))
    routes["a"].change({"traffic": Route(NEXT_LARGE)})
    assert versions(taker.take(0.0)) == ["1"]
    mailboxes["a"].put(make_frame("a", sizes=(LARGE,)))
    assert versions(taker.take(0.0)) == ["3"]
    assert taker.misfits == 0


def test_a_camera_skips_changes_that_were_over_before_a_frame_came() -> None:
    taker, mailboxes, routes = batcher(plan("a", {"traffic": TRAFFIC}))
    routes["a"].change({"traffic": Route(NEXT_LARGE)})
    routes["a"].change({"traffic": Route(NEXT)})
    mailboxes["a"].put(make_frame("a", sizes=(SIZE,)))
    assert versions(taker.take(0.0)) == ["2"]
    assert routes["a"].models == {"traffic/2"}


def test_only_the_camera_that_is_meant_changes() -> None:
    taker, mailboxes, routes = batcher(
        plan("a", {"traffic": TRAFFIC}), plan("b", {"traffic": TRAFFIC})
    )
    routes["b"].change({"traffic": Route(NEXT)})
    for camera in ("a", "b"):
        mailboxes[camera].put(make_frame(camera))
    (batch,) = taker.take(0.0)
    assert batch.rows == {TRAFFIC: (0,), NEXT: (1,)}


def test_a_shadow_is_no_part_of_the_batch_but_its_size_is_waited_for() -> None:
    taker, mailboxes, routes = batcher(plan("a", {"traffic": TRAFFIC}))
    routes["a"].change({"traffic": Route(TRAFFIC, NEXT_LARGE)})
    mailboxes["a"].put(make_frame("a", sizes=(SIZE,)))
    (batch,) = taker.take(0.0)
    assert batch.routes == ({"traffic": Route(TRAFFIC)},), "the frame was not scaled for the shadow"
    mailboxes["a"].put(make_frame("a", sizes=(SIZE, LARGE)))
    (batch,) = taker.take(0.0)
    assert batch.rows == {TRAFFIC: (0,)}
    assert batch.routes == ({"traffic": Route(TRAFFIC, NEXT_LARGE)},)


def test_two_fits_of_one_size_are_two_batches_of_their_own_images() -> None:
    stretching = replace(NEXT, fit="stretch")
    taker, mailboxes, _ = batcher(plan("a", {"traffic": TRAFFIC, "crowding": stretching}))
    mailboxes["a"].put(make_frame("a", ("traffic", "crowding"), stretched=(SIZE,), value=7))
    second, first = taker.take(0.0)
    assert (first.rows, first.view) == ({TRAFFIC: (0,)}, TRAFFIC.view)
    assert (second.rows, second.view) == ({stretching: (0,)}, stretching.view)
    assert (first.images[0, 0] == PADDING_VALUE).all()
    assert (second.images == 7).all()


def test_a_frame_with_another_fit_is_not_what_a_change_waits_for() -> None:
    stretching = replace(NEXT, fit="stretch")
    taker, mailboxes, routes = batcher(plan("a", {"traffic": TRAFFIC}))
    routes["a"].change({"traffic": Route(stretching)})
    mailboxes["a"].put(make_frame("a"))
    assert versions(taker.take(0.0)) == ["1"]
    mailboxes["a"].put(make_frame("a", sizes=(), stretched=(SIZE,)))
    assert versions(taker.take(0.0)) == ["2"]


def test_a_late_frame_of_an_old_size_is_left_out_and_counted() -> None:
    taker, mailboxes, routes = batcher(plan("a", {"traffic": TRAFFIC}))
    routes["a"].change({"traffic": Route(NEXT_LARGE)})
    assert not routes["a"].settle(time.monotonic())
    assert routes["a"].settle(time.monotonic() + SETTLE_S)
    mailboxes["a"].put(make_frame("a", sizes=(SIZE,)))
    assert taker.take(0.0) == []
    assert taker.misfits == 1
