"""Processor time and memory of a program: of all its processes, and of nobody else's."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest

from benchmarks.street_processes import Consumption, MarkedProgram

# A process with a child that lost its parent, and one that works and holds 40 MB.
PROGRAM = """
import os, subprocess, sys, time
subprocess.run(["sh", "-c", "sleep 60 & echo $!"])
if os.fork() == 0:
    held = b"x" * 40_000_000
    deadline_s = time.process_time() + 0.5
    while time.process_time() < deadline_s:
        pass
    print("worked", flush=True)
    time.sleep(60)
sys.stdin.read()
"""

pytestmark = pytest.mark.integration


@pytest.fixture
def program():
    """The program once it has worked, with the id of its lost child."""
    marked = MarkedProgram()
    command = [*marked.prefix, sys.executable, "-c", PROGRAM]
    before = marked.consumption()
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    lines = [process.stdout.readline() for _ in range(2)]
    lost = next(int(line) for line in lines if line.strip() != "worked")
    yield marked, process, lost, before
    marked.kill()
    process.communicate()


def test_all_processes_are_found_even_one_that_lost_its_parent(program):
    marked, process, lost, _ = program
    found = marked.processes()
    assert {process.pid, lost} < set(found)
    assert len(found) == 3
    assert not set(found) & set(MarkedProgram().processes())


def test_processor_time_and_memory_of_all_are_summed(program):
    marked, _, _, before = program
    used = marked.consumption()
    assert used.cpu_since(before) >= 0.5
    assert used.pss_mb > 40
    assert used.threads >= 3
    assert used.files >= 6
    assert marked.consumption(memory=False).pss_mb == 0


def test_killing_leaves_nothing(program):
    marked = program[0]
    marked.kill()
    deadline_s = time.monotonic() + 20
    program[1].wait()
    while marked.processes() and time.monotonic() < deadline_s:
        time.sleep(0.05)
    assert marked.processes() == []


def test_time_since_counts_new_processes_whole_and_ended_ones_not_at_all():
    before = Consumption({1: 5.0, 2: 7.0}, 0, 0, 0)
    after = Consumption({1: 5.5, 3: 2.0}, 0, 0, 0)
    assert after.cpu_since(before) == 2.5
