"""Processes are found below a root, named by what they are, and their processor time is added."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import pytest

from benchmarks.processes import (
    HUB,
    MAIN,
    RAY_NODE,
    REPLICAS,
    WORKERS,
    CityProcesses,
    process_name,
    processes_of,
)
from benchmarks.serve_path import CALLER, OTHERS, RAYLET, REPLICA, spent_by_role


@pytest.mark.parametrize(
    ("command", "name"),
    [
        ("ray::CameraWorker.snapshot", WORKERS),
        ("ray::ServeReplica:detector-traffic-1:DetectorDeployment.handle_request", REPLICAS),
        ("ray::ServeReplica:control-api:ControlApi", "control API"),
        ("ray::IDLE", "Ray: IDLE"),
        ("/x/ray/core/src/ray/raylet/raylet --raylet_socket_name=/tmp/x", RAY_NODE),
        ("python -c from multiprocessing.spawn import spawn_main; spawn_main(1)", HUB),
        ("something else", "something else"),
        ("", "ended"),
    ],
)
def test_processes_are_named_by_what_they_are(command, name):
    assert process_name(command) == name


def test_a_process_and_those_below_it_are_found_and_no_others():
    below = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'input()'])"
    other = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    root = subprocess.Popen([sys.executable, "-c", below], stdin=subprocess.PIPE)
    while len(found := processes_of(root.pid).names) < 2:
        assert root.poll() is None
        time.sleep(0.01)
    assert found[root.pid] == MAIN
    assert other.pid not in found
    assert os.getpid() not in found
    for process in (root, other):
        process.communicate(b"\n")


def test_what_processes_spent_is_added_by_name():
    before = CityProcesses({1: "main", 2: "worker"}, {1: 1.0, 2: 2.0})
    after = CityProcesses({1: "main", 2: "worker", 3: "worker"}, {1: 1.5, 2: 4.0, 3: 1.0})
    assert after.since(before) == {"main": 0.5, "worker": 3.0}


def test_what_has_ended_meanwhile_is_left_out():
    before = CityProcesses({1: "main", 2: "worker"}, {1: 1.0, 2: 2.0})
    after = CityProcesses({1: "main"}, {1: 1.5})
    assert after.since(before) == {"main": 0.5}


def test_processor_time_of_this_process_is_that_of_the_main_process():
    before = processes_of(os.getpid())
    while processes_of(os.getpid()).since(before)[MAIN] < 0.05:
        sum(range(100_000))


def test_a_call_through_ray_serve_knows_four_roles():
    names = {1: MAIN, 2: REPLICAS, 3: RAY_NODE, 4: "Ray Serve: controller", 5: "Ray: GCS"}
    before = CityProcesses(names, dict.fromkeys(names, 1.0))
    after = CityProcesses(names, {pid: 1.0 + pid for pid in names})
    expected = {CALLER: 1.0, REPLICA: 2.0, RAYLET: 3.0, OTHERS: 9.0}
    assert spent_by_role(before, after) == expected
    assert spent_by_role(before, before) == dict.fromkeys(expected, 0.0)
