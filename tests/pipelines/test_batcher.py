"""The micro-batcher: nobody waits for a timer, nobody starves, every model gets its rows."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest

from camera_adapters.errors import UnreadableFault
from camera_adapters.geometry import PADDING_VALUE, Size
from camera_adapters.intake import Mailbox
from camera_adapters.spec import CameraSpec
from pipelines import batcher
from pipelines.batcher import CameraRoutes, MicroBatcher, TakenFrames, assemble
from pipelines.detector import MicroBatch
from pipelines.plan import CameraPlan, ModelRef, Priority, Route, TaskPlan
from tests.pipelines.frames import SIZE, make_frame

LARGE = Size(96, 64)
TRAFFIC = ModelRef("traffic", "1", SIZE, ("car",), 0.3)
CROWDING = ModelRef("crowding", "1", SIZE, ("person",), 0.3)
WIDE = ModelRef("wide", "1", LARGE, ("car",), 0.3)
NEXT = ModelRef("traffic", "2", SIZE, ("car",), 0.3)
NEXT_LARGE = ModelRef("traffic", "3", LARGE, ("car",), 0.3)


def plan(
    camera: str,
    models: Mapping[str, ModelRef],
    fps: float = 5.0,
    priorities: Mapping[str, Priority] | None = None,
) -> CameraPlan:
    spec = CameraSpec(camera, "file:///none.mp4", rates=dict.fromkeys(models, fps))
    tasks = tuple(
        TaskPlan(task, model, fps, (), priority=(priorities or {}).get(task, "normal"))
        for task, model in models.items()
    )
    return CameraPlan(spec, tasks)


@dataclass
class Street:
    """Cameras with a mailbox each, and the batcher over them."""

    batcher: MicroBatcher
    mailboxes: dict[str, Mailbox]
    routes: dict[str, CameraRoutes]

    @classmethod
    def of(cls, *plans: CameraPlan, max_frames: int = 16) -> Street:
        street = cls(MicroBatcher(max_frames), {}, {})
        for one in plans:
            name = one.camera.id
            street.mailboxes[name] = Mailbox(partial(street.batcher.note_arrival, name))
            street.routes[name] = CameraRoutes(one.routes)
            street.batcher.add(one, street.mailboxes[name], street.routes[name])
        return street

    def put(self, camera: str, *tasks: str, **facts: object) -> None:
        self.mailboxes[camera].put(make_frame(camera, tasks or ("traffic",), **facts))  # type: ignore[arg-type]

    def take(self, timeout_s: float = 0.0) -> TakenFrames | None:
        return self.batcher.take(timeout_s)

    def batches(self) -> list[MicroBatch]:
        """Takes what is ready, gives it back at once, and converts it."""
        taken = self.take()
        assert taken is not None
        self.batcher.release(taken)
        return assemble(taken)[0]


def cameras_of(taken: TakenFrames | None) -> list[str]:
    return [frame.camera for frame in taken.frames] if taken else []


def test_takes_what_is_ready_as_one_contiguous_array() -> None:
    traffic = {"traffic": TRAFFIC}
    street = Street.of(plan("a", traffic), plan("b", traffic), plan("c", {"traffic": WIDE}))
    street.put("a", value=10)
    street.put("b", value=20)
    (batch,) = street.batches()
    assert batch.images.shape == (2, SIZE.height, SIZE.width, 3)
    assert batch.images.flags.c_contiguous
    assert [int(np.median(image)) for image in batch.images] == [10, 20]
    assert batch.rows == {TRAFFIC: (0, 1)}


def test_a_single_frame_is_not_copied() -> None:
    street = Street.of(plan("a", {"traffic": TRAFFIC}))
    street.put("a")
    (batch,) = street.batches()
    assert np.shares_memory(batch.images, batch.frames[0].views[TRAFFIC.view].image)


def test_each_model_gets_only_the_rows_that_are_due_for_it() -> None:
    both = {"traffic": TRAFFIC, "crowding": CROWDING}
    street = Street.of(plan("a", both), plan("b", both))
    street.put("a", "traffic")
    street.put("b", "traffic", "crowding")
    (batch,) = street.batches()
    assert batch.rows == {TRAFFIC: (0, 1), CROWDING: (1,)}


def test_models_of_different_input_size_get_batches_of_their_own() -> None:
    street = Street.of(plan("a", {"traffic": TRAFFIC, "wide": WIDE}))
    street.put("a", "traffic", "wide", sizes=())
    assert {(b.images.shape[2], tuple(b.rows)) for b in street.batches()} == {
        (SIZE.width, (TRAFFIC,)),
        (LARGE.width, (WIDE,)),
    }


def test_two_fits_of_one_size_are_two_batches_of_their_own_images() -> None:
    stretching = replace(NEXT, fit="stretch")
    street = Street.of(plan("a", {"traffic": TRAFFIC, "crowding": stretching}))
    street.put("a", "traffic", "crowding", sizes=(), value=7)
    second, first = street.batches()
    assert (first.rows, first.view) == ({TRAFFIC: (0,)}, TRAFFIC.view)
    assert (second.rows, second.view) == ({stretching: (0,)}, stretching.view)
    assert (first.images[0, 0] == PADDING_VALUE).all()
    assert (second.images == 7).all()


def test_a_frame_is_converted_by_its_taker_and_for_its_due_tasks_alone() -> None:
    street = Street.of(plan("a", {"traffic": TRAFFIC, "wide": WIDE}))
    street.put("a", "traffic", sizes=())
    taken = street.take()
    assert taken is not None
    assert taken.frames[0].views == {}
    ((batch,), _) = assemble(taken)
    assert set(batch.frames[0].views) == {TRAFFIC.view}


def test_a_frame_that_cannot_be_converted_is_named_and_costs_no_other() -> None:
    class Broken:
        size = SIZE

        def rgb(self):
            raise NotImplementedError

        def luma(self, size):
            raise NotImplementedError

        def views(self, specs):
            raise UnreadableFault("a", "images of format xyz cannot be converted", "set H.264")

    street = Street.of(plan("a", {"traffic": TRAFFIC}), plan("b", {"traffic": TRAFFIC}))
    broken = replace(make_frame("a", sizes=()), full=Broken())
    street.mailboxes["a"].put(broken)
    street.put("b")
    taken = street.take()
    assert taken is not None
    batches, faults = assemble(taken)
    assert [frame.camera for batch in batches for frame in batch.frames] == ["b"]
    assert faults["a"].reason == "images of format xyz cannot be converted"


def test_a_resting_model_gets_no_frames_and_another_does() -> None:
    street = Street.of(plan("a", {"traffic": TRAFFIC, "crowding": CROWDING}))
    street.put("a", "traffic", "crowding")
    taken = street.take()
    assert taken is not None
    ((batch,), _) = assemble(taken, frozenset({TRAFFIC}))
    assert batch.rows == {CROWDING: (0,)}
    assert assemble(taken, frozenset({TRAFFIC, CROWDING})) == ([], {})


def test_what_did_not_fit_is_taken_next_without_a_new_arrival() -> None:
    traffic = {"traffic": TRAFFIC}
    street = Street.of(plan("a", traffic), plan("b", traffic), max_frames=1)
    street.put("a")
    street.put("b")
    assert cameras_of(street.take()) == ["a"]
    assert cameras_of(street.take(5.0)) == ["b"]


def test_a_model_that_takes_one_image_at_a_time_gets_one() -> None:
    single = ModelRef("single", "1", SIZE, ("car",), 0.3, max_batch=1)
    street = Street.of(plan("a", {"traffic": single}), plan("b", {"traffic": single}))
    street.put("a")
    street.put("b")
    assert len(cameras_of(street.take())) == 1


def test_an_arrival_ends_the_wait() -> None:
    street = Street.of(plan("a", {"traffic": TRAFFIC}))
    threading.Timer(0.05, street.put, ("a",)).start()
    assert cameras_of(street.take(10.0)) == ["a"]


def test_no_frame_is_no_batch() -> None:
    street = Street.of(plan("a", {"traffic": TRAFFIC}))
    assert street.take(0.01) is None


def test_a_camera_has_one_frame_out_at_a_time() -> None:
    street = Street.of(plan("a", {"traffic": TRAFFIC}))
    street.put("a", index=1)
    first = street.take()
    street.put("a", index=2)
    assert street.take() is None
    assert first is not None
    street.batcher.release(first)
    second = street.take(5.0)
    assert second is not None
    assert second.frames[0].index == 2


def overload(street: Street, rounds: int, due: Mapping[str, tuple[str, ...]]) -> Counter[str]:
    """Every camera always has a due frame; one is taken per round. How often each was served."""
    served: Counter[str] = Counter()
    for _ in range(rounds):
        for camera, tasks in due.items():
            if not street.mailboxes[camera].waiting_tasks:
                street.put(camera, *tasks)
        taken = street.take()
        assert taken is not None
        for frame in taken.frames:
            served.update(f"{frame.camera}/{task}" for task in frame.tasks)
        street.batcher.release(taken)
    return served


def test_under_overload_every_camera_gets_the_same_share_of_its_rate() -> None:
    traffic = {"traffic": TRAFFIC}
    rates = {"a": 5.0, "b": 5.0, "c": 10.0, "d": 1.0}
    plans = [plan(name, traffic, fps) for name, fps in rates.items()]
    street = Street.of(*plans, max_frames=1)
    served = overload(street, 420, dict.fromkeys(rates, ("traffic",)))
    assert {name: served[f"{name}/traffic"] for name in rates} == pytest.approx(
        {"a": 100, "b": 100, "c": 200, "d": 20}, abs=2
    )


def test_a_camera_that_was_away_does_not_catch_up() -> None:
    traffic = {"traffic": TRAFFIC}
    street = Street.of(plan("a", traffic), plan("b", traffic), max_frames=1)
    overload(street, 100, {"a": ("traffic",)})
    served = overload(street, 100, dict.fromkeys("ab", ("traffic",)))
    assert served["a/traffic"] == pytest.approx(50, abs=2)


def test_a_higher_priority_goes_first_and_shares_evenly() -> None:
    traffic = {"traffic": TRAFFIC}
    plans = [plan(name, traffic, priorities={"traffic": "high"}) for name in "ab"]
    street = Street.of(*plans, plan("c", traffic, priorities={"traffic": "low"}), max_frames=1)
    served = overload(street, 100, dict.fromkeys("abc", ("traffic",)))
    assert served == {"a/traffic": 50, "b/traffic": 50}


def test_nobody_waits_for_ever_for_a_higher_priority(monkeypatch: pytest.MonkeyPatch) -> None:
    now_s = [1000.0]
    monkeypatch.setattr(batcher, "time", SimpleNamespace(monotonic=lambda: now_s[0]))
    traffic = {"traffic": TRAFFIC}
    high = plan("a", traffic, priorities={"traffic": "high"})
    street = Street.of(high, plan("b", traffic), max_frames=1)
    due = dict.fromkeys("ab", ("traffic",))
    assert overload(street, 10, due)["b/traffic"] == 0
    now_s[0] += batcher.STARVED_AFTER_S + 0.1
    assert overload(street, 10, due)["b/traffic"] == 1


def test_a_lower_task_with_other_thresholds_of_the_same_version_goes_along() -> None:
    both = {"traffic": TRAFFIC, "crowding": replace(TRAFFIC, threshold=0.6)}
    high: dict[str, Priority] = {"traffic": "high", "crowding": "low"}
    street = Street.of(
        plan("a", both, priorities=high), plan("b", both, priorities=high), max_frames=1
    )
    street.put("a", "traffic", "crowding")
    street.put("b", "traffic", "crowding")
    taken = street.take()
    assert taken is not None
    assert [frame.tasks for frame in taken.frames] == [{"traffic", "crowding"}]


def test_a_lower_task_of_a_camera_waits_while_somebody_else_has_a_higher_one() -> None:
    both = {"traffic": TRAFFIC, "crowding": CROWDING}
    high: dict[str, Priority] = {"traffic": "high", "crowding": "low"}
    street = Street.of(
        plan("a", both, priorities=high), plan("b", both, priorities=high), max_frames=1
    )
    street.put("a", "traffic", "crowding")
    street.put("b", "traffic", "crowding")
    taken = [street.take() for _ in range(2)]
    assert [frame.tasks for one in taken if one for frame in one.frames] == [
        {"traffic"},
        {"traffic", "crowding"},
    ], "the second one was alone"
    for one in taken:
        assert one is not None
        street.batcher.release(one)
    last = street.take()
    assert last is not None
    assert [(one.camera, set(one.tasks)) for one in last.frames] == [("a", {"crowding"})]


def test_it_counts_what_every_task_was_given() -> None:
    both = {"traffic": TRAFFIC, "crowding": CROWDING}
    street = Street.of(plan("a", both))
    for tasks in (("traffic",), ("traffic", "crowding")):
        street.put("a", *tasks)
        street.batches()
    assert street.batcher.taken("a") == {"traffic": 2, "crowding": 1}


def versions(batches: list[MicroBatch]) -> list[str]:
    return [model.version for batch in batches for model in batch.rows]


def test_a_new_version_takes_over_with_the_next_frame() -> None:
    street = Street.of(plan("a", {"traffic": TRAFFIC}))
    street.put("a")
    first = street.take()
    street.routes["a"].newest = {"traffic": Route(NEXT_LARGE)}
    assert first is not None
    assert versions(assemble(first)[0]) == ["1"]
    assert street.batcher.models("a") == {"traffic/1", "traffic/3"}, "a frame is still out"
    street.batcher.release(first)
    assert street.batcher.models("a") == {"traffic/3"}
    street.put("a", sizes=())
    assert versions(street.batches()) == ["3"]


def test_a_frame_that_waits_goes_the_new_way() -> None:
    street = Street.of(plan("a", {"traffic": TRAFFIC}))
    street.put("a", sizes=())
    street.routes["a"].newest = {"traffic": Route(NEXT_LARGE)}
    (batch,) = street.batches()
    assert batch.rows == {NEXT_LARGE: (0,)}
    assert batch.images.shape[1:3] == (LARGE.height, LARGE.width)


def test_only_the_camera_that_is_meant_changes() -> None:
    street = Street.of(plan("a", {"traffic": TRAFFIC}), plan("b", {"traffic": TRAFFIC}))
    street.routes["b"].newest = {"traffic": Route(NEXT)}
    for camera in ("a", "b"):
        street.put(camera)
    (batch,) = street.batches()
    assert batch.rows == {TRAFFIC: (0,), NEXT: (1,)}


def test_a_shadow_is_no_part_of_the_batch_but_has_its_images() -> None:
    street = Street.of(plan("a", {"traffic": TRAFFIC}))
    street.routes["a"].newest = {"traffic": Route(TRAFFIC, NEXT_LARGE)}
    street.put("a", sizes=())
    (batch,) = street.batches()
    assert batch.rows == {TRAFFIC: (0,)}
    assert batch.routes == ({"traffic": Route(TRAFFIC, NEXT_LARGE)},)
    assert set(batch.frames[0].views) == {TRAFFIC.view, NEXT_LARGE.view}


def test_many_threads_take_every_frame_once_and_in_order() -> None:
    names = [f"camera-{number}" for number in range(6)]
    street = Street.of(*(plan(name, {"traffic": TRAFFIC}) for name in names), max_frames=2)
    seen: dict[str, list[int]] = {name: [] for name in names}
    stopping = threading.Event()

    def work() -> None:
        while not stopping.is_set():
            taken = street.take(0.01)
            if taken is None:
                continue
            for frame in taken.frames:
                seen[frame.camera].append(frame.index)
            street.batcher.release(taken)

    workers = [threading.Thread(target=work) for _ in range(3)]
    for worker in workers:
        worker.start()
    for index in range(300):
        for name in names:
            street.put(name, index=index, sizes=())
        time.sleep(0.0005)
    deadline_s = time.monotonic() + 20.0
    while any(box.waiting_tasks for name, box in street.mailboxes.items() if name in names):
        assert time.monotonic() < deadline_s, "a frame was left lying"
        time.sleep(0.005)
    stopping.set()
    for worker in workers:
        worker.join()
    for name in names:
        assert seen[name] == sorted(set(seen[name]))
        assert len(seen[name]) + street.mailboxes[name].dropped == 300


def test_a_removed_camera_leaves_nothing_behind() -> None:
    street = Street.of(plan("a", {"traffic": TRAFFIC}), plan("b", {"traffic": TRAFFIC}))
    street.put("a")
    street.put("b")
    assert street.batcher.remove("a", timeout_s=0.0)
    assert cameras_of(street.take()) == ["b"]
    street.put("a")
    assert street.take() is None, "a frame that comes late is nobody's"
    assert street.batcher.models("a") == frozenset()
    assert street.batcher.taken("a") == {}


def test_a_camera_goes_when_its_frame_was_given_back() -> None:
    street = Street.of(plan("a", {"traffic": TRAFFIC}))
    street.put("a")
    taken = street.take()
    assert taken is not None
    assert not street.batcher.remove("a", timeout_s=0.01)
    release = threading.Timer(0.05, street.batcher.release, (taken,))
    release.start()
    assert street.batcher.remove("a", timeout_s=10.0)
    release.join()


def test_a_camera_that_comes_back_begins_anew() -> None:
    one = plan("a", {"traffic": TRAFFIC})
    street = Street.of(one)
    street.put("a")
    taken = street.take()
    assert taken is not None
    street.batcher.release(taken)
    assert street.batcher.taken("a") == {"traffic": 1}
    street.put("a")
    assert street.batcher.remove("a", timeout_s=0.0)
    street.batcher.add(one, street.mailboxes["a"], street.routes["a"])
    assert street.batcher.taken("a") == {"traffic": 0}
    street.put("a")
    assert cameras_of(street.take()) == ["a"]
