"""What the terminal says of the load, and who gets a link into the console."""

from __future__ import annotations

import io
import re
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from rich.console import Console

from cityeye.progress import Progress
from cityeye.run import show_console
from pipelines.access import TokenFile
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


@pytest.mark.parametrize("terminal", [True, False])
def test_only_a_person_at_a_terminal_gets_a_link_into_the_console(
    tmp_path: Path, terminal: bool
) -> None:
    tokens = TokenFile(tmp_path / "access")
    tokens.prepare()
    output = io.StringIO()
    console = Console(file=output, width=200, force_terminal=terminal, color_system=None)
    show_console("http://127.0.0.1:8600", tokens, Progress(console))
    said = output.getvalue()
    assert "console: http://127.0.0.1:8600/" in said
    links = re.findall(r"/enter\?token=(cye_\S+)", said)
    assert len(links) == terminal
    for link in links:
        assert tokens.exchange(link, "session", timedelta(hours=1))
