"""Which tasks a model can serve follows from what it calls its classes."""

from __future__ import annotations

import pytest

from pipelines.track import tasks_of


@pytest.mark.parametrize(
    ("labels", "tasks"),
    [
        (("person",), ("crowding",)),
        (("Pedestrian", "Car"), ("traffic", "crowding")),
        (("bicycle",), ("traffic",)),
        (("Garbage bag", "cup"), ("littering",)),
        (("person", "car", "backpack"), ("traffic", "littering", "crowding")),
        (("pizza",), ()),
        ((), ()),
    ],
)
def test_tasks(labels, tasks):
    assert tasks_of(labels) == tasks
