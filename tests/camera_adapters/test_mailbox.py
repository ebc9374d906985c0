"""The mailbox: one slot, newest wins, drops are counted, and no task is left out."""

from __future__ import annotations

import threading
from datetime import UTC, datetime

import numpy as np

from camera_adapters.frame import Frame
from camera_adapters.geometry import Size
from camera_adapters.intake import Mailbox


class Nothing:
    size = Size(2, 2)

    def rgb(self):
        return np.zeros((2, 2, 3), np.uint8)

    def luma(self, size):
        raise NotImplementedError

    def views(self, specs):
        raise NotImplementedError


def frame(index: int, *tasks: str) -> Frame:
    return Frame(
        camera="gate-1",
        index=index,
        stream_restarts=0,
        captured_at=datetime(2026, 1, 1, tzinfo=UTC),
        captured_mono_s=float(index),
        arrived_mono_s=float(index),
        tasks=frozenset(tasks),
        views={},
        full=Nothing(),
    )


def test_a_frame_is_taken_once():
    mailbox = Mailbox()
    assert mailbox.take() is None
    mailbox.put(frame(1, "traffic"))
    taken = mailbox.take()
    assert taken is not None
    assert taken.index == 1
    assert mailbox.take() is None
    assert mailbox.dropped == 0


def test_the_newest_frame_wins_and_inherits_the_tasks_of_the_unread_one():
    mailbox = Mailbox()
    mailbox.put(frame(1, "litter"))
    mailbox.put(frame(2, "traffic"))
    assert mailbox.waiting_tasks == {"litter", "traffic"}
    mailbox.put(frame(3, "traffic"))
    taken = mailbox.take()
    assert taken is not None
    assert taken.index == 3
    assert taken.tasks == {"litter", "traffic"}
    assert mailbox.dropped == 2
    assert mailbox.waiting_tasks == frozenset()


def test_tasks_that_were_served_do_not_come_back():
    mailbox = Mailbox()
    mailbox.put(frame(1, "litter"))
    mailbox.take()
    mailbox.put(frame(2, "traffic"))
    taken = mailbox.take()
    assert taken is not None
    assert taken.tasks == {"traffic"}


def test_a_refreshed_frame_has_the_tasks_of_the_one_that_waits_and_is_no_drop():
    mailbox = Mailbox()
    mailbox.refresh(frame(1))
    assert mailbox.take() is None, "nobody waits for it"
    mailbox.put(frame(2, "litter"))
    mailbox.refresh(frame(3))
    taken = mailbox.take()
    assert taken is not None
    assert (taken.index, taken.tasks) == (3, {"litter"})
    assert (mailbox.taken, mailbox.dropped) == (1, 0)


def test_a_frame_can_be_taken_for_some_of_its_tasks():
    mailbox = Mailbox()
    mailbox.put(frame(1, "litter", "traffic"))
    first = mailbox.take(frozenset({"traffic"}))
    assert first is not None
    assert first.tasks == {"traffic"}
    assert mailbox.waiting_tasks == {"litter"}
    assert mailbox.take(frozenset({"traffic"})) is None
    mailbox.refresh(frame(2))
    second = mailbox.take()
    assert second is not None
    assert (second.index, second.tasks) == (2, {"litter"})
    assert mailbox.take() is None


def test_every_arrival_is_announced():
    arrivals: list[int] = []
    mailbox = Mailbox(lambda: arrivals.append(1))
    mailbox.put(frame(1))
    mailbox.put(frame(2))
    assert len(arrivals) == 2


def test_waiting_for_an_empty_slot_ends_with_the_take():
    mailbox = Mailbox()
    assert mailbox.wait_empty(0.0)
    mailbox.put(frame(1))
    assert not mailbox.wait_empty(0.01)
    taker = threading.Timer(0.02, mailbox.take)
    taker.start()
    assert mailbox.wait_empty(10.0)
    taker.join()


def test_nothing_is_lost_between_threads():
    """Every put is either taken or counted as dropped, and every task is served."""
    mailbox = Mailbox()
    taken: list[Frame] = []
    done = threading.Event()

    def consume() -> None:
        while True:
            last = done.is_set()
            got = mailbox.take()
            if got is not None:
                taken.append(got)
            elif last:
                return

    consumer = threading.Thread(target=consume)
    consumer.start()
    for index in range(2000):
        mailbox.put(frame(index, f"task-{index}"))
    done.set()
    consumer.join(10)
    assert len(taken) + mailbox.dropped == 2000
    assert set().union(*(got.tasks for got in taken)) == {f"task-{i}" for i in range(2000)}
    assert [got.index for got in taken] == sorted(got.index for got in taken)
