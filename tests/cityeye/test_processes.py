"""Processes are found, bound to their parent, and ended with all that is below them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from cityeye.processes import (
    FROZEN_AFTER_S,
    FrozenProcesses,
    end_below,
    how_it_ended,
)
from serving.process_tree import RunningProcess, processes_below

WAIT_S = 20.0
SLEEPS = "import time; time.sleep(600)"
TREE = (
    "import subprocess, sys; "
    f"one = subprocess.Popen([sys.executable, '-c', {SLEEPS!r}], start_new_session=True); "
    "print(one.pid, flush=True); one.wait()"
)
BOUND = (
    "import subprocess, sys; "
    "code = 'from cityeye.processes import end_with_parent; end_with_parent(); "
    "print(1, flush=True); import time; time.sleep(600)'; "
    "one = subprocess.Popen([sys.executable, '-c', code], stdout=subprocess.PIPE); "
    "one.stdout.readline(); print(one.pid, flush=True); one.wait()"
)


def wait_until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WAIT_S
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def lives(pid: int) -> bool:
    try:
        return " Z " not in Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False


@pytest.fixture
def tree():
    """A process with one below it, and the id of that."""
    process = subprocess.Popen([sys.executable, "-c", TREE], stdout=subprocess.PIPE, text=True)
    yield process, int(process.stdout.readline())
    process.kill()
    process.wait()
    process.stdout.close()


def test_all_that_is_below_is_found_and_ended_whatever_its_session(tree):
    process, grandchild = tree
    found = [one.pid for one in processes_below(os.getpid())]
    assert found.index(process.pid) < found.index(grandchild)
    others = frozenset(found) - {process.pid, grandchild}
    assert end_below(os.getpid(), others) == []
    assert not lives(grandchild)
    assert process.wait(WAIT_S) == -signal.SIGKILL


def test_what_is_spared_lives_on_with_all_that_is_below_it(tree):
    process, grandchild = tree
    others = frozenset(one.pid for one in processes_below(os.getpid()) if one.pid != grandchild)
    assert end_below(os.getpid(), others) == []
    assert lives(grandchild)
    assert process.poll() is None


def test_a_bound_process_ends_with_its_parent():
    parent = subprocess.Popen([sys.executable, "-c", BOUND], stdout=subprocess.PIPE, text=True)
    try:
        child = int(parent.stdout.readline())
        assert lives(child)
        parent.kill()
        parent.wait()
        wait_until(lambda: not lives(child))
    finally:
        parent.kill()
        parent.wait()
        parent.stdout.close()


def test_a_stopped_process_is_seen_as_stopped(tree):
    process, _ = tree
    os.kill(process.pid, signal.SIGSTOP)
    state = {one.pid: one.state for one in processes_below(os.getpid())}
    wait_until(lambda: {o.pid: o.state for o in processes_below(os.getpid())}[process.pid] == "T")
    os.kill(process.pid, signal.SIGCONT)
    wait_until(lambda: {o.pid: o.state for o in processes_below(os.getpid())}[process.pid] != "T")
    assert process.pid in state


def stopped(pid: int, started: int = 1, state: str = "T") -> RunningProcess:
    return RunningProcess(pid, 1, "raylet", state, started)


def test_a_process_is_frozen_after_it_was_stopped_all_the_while():
    frozen, late = FrozenProcesses(), FROZEN_AFTER_S
    assert frozen.find([stopped(7), stopped(8)], 0.0) == []
    assert frozen.find([stopped(7, state="S"), stopped(8)], late / 2) == []
    assert [one.pid for one in frozen.find([stopped(7), stopped(8)], late)] == [8]
    assert [one.pid for one in frozen.find([stopped(7), stopped(8)], late * 2)] == [7, 8]


def test_another_process_of_the_same_id_is_another_one():
    frozen = FrozenProcesses()
    frozen.find([stopped(7, started=1)], 0.0)
    assert frozen.find([stopped(7, started=2)], FROZEN_AFTER_S) == []


@pytest.mark.parametrize(
    ("status", "words"),
    [(3, "it ended with status 3"), (-9, "it was ended by SIGKILL"), (-99, "by signal 99")],
)
def test_an_end_is_said_in_words(status, words):
    assert words in how_it_ended(status)
