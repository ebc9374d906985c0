"""What the terminal says of the load follows workers that answer, and nobody else."""

from __future__ import annotations

import io
from dataclasses import replace

from rich.console import Console

from cityeye.progress import Progress
from pipelines.camera_group import GroupSnapshot
from pipelines.delivery.relay import RelayCounters
from pipelines.load import PriorityLoad
from serving.camera_worker import WorkerSnapshot
from serving.director import WorkerState, loads_of

FULL = PriorityLoad(10.0, 10.0, 10.0)
HALF = PriorityLoad(10.0, 5.0, 5.0)
AGAIN = "all that is asked for is given again"


def worker(load: PriorityLoad) -> WorkerState:
    group = GroupSnapshot((), 0.1, {}, {"normal": load})
    snapshot = WorkerSnapshot(
        "worker-0", group, RelayCounters(0, 0, 0, 0, 0, 0, 0, 0, 0, ()), {}, True, ""
    )
    return WorkerState("worker-0", snapshot, restarts=0, alive=True)


def test_an_overload_is_said_when_it_begins_and_when_it_ends() -> None:
    terminal = io.StringIO()
    progress = Progress(Console(file=terminal, width=200))
    for load in (FULL, HALF, HALF, FULL):
        progress.observe([worker(load)])
    text = terminal.getvalue()
    assert text.count("overloaded, room for 50% of what tasks of normal priority ask for") == 1
    assert text.count(AGAIN) == 1


def test_a_worker_that_falls_silent_has_no_load_and_does_not_end_an_overload() -> None:
    terminal = io.StringIO()
    progress = Progress(Console(file=terminal, width=200))
    progress.observe([worker(HALF)])
    silent = replace(worker(HALF), alive=False)
    assert loads_of([silent]) == {}
    progress.observe([silent])
    assert AGAIN not in terminal.getvalue()
