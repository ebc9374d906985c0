"""The fingerprint is that of the machine, its limits included."""

from __future__ import annotations

import os
import platform
import threading

import pytest

from benchmarks import machine
from benchmarks.machine import fingerprint, load_before, whole_cores
from serving import cgroups, cores
from serving.cores import usable_cores
from tests.benchmarks.results import GPU, MACHINE


@pytest.fixture
def files(tmp_path, monkeypatch):
    """A /proc and a cgroup tree of a machine that does not exist."""
    (tmp_path / "proc" / "self").mkdir(parents=True)
    (tmp_path / "cgroup").mkdir()
    for module in (machine, cgroups, cores):
        monkeypatch.setattr(module, "PROC", tmp_path / "proc")
    monkeypatch.setattr(cgroups, "CGROUP", tmp_path / "cgroup")
    return tmp_path


def test_this_machine_is_described():
    found = fingerprint()
    assert found.cpu not in {"", "x86_64", platform.machine()}
    assert 0 < found.cores <= len(os.sched_getaffinity(0))
    assert found.memory_mb > 100
    assert found.system.endswith(platform.release())
    assert {"python", "ffmpeg", "numpy", "av", "ray", "cityeye"} <= set(found.versions)
    assert found.versions["python"] == platform.python_version()


def test_the_affinity_limits_the_cores():
    allowed = os.sched_getaffinity(0)
    found = []

    def on_one_core():
        # Of this thread alone.
        os.sched_setaffinity(0, {min(allowed)})
        found.append(usable_cores())

    thread = threading.Thread(target=on_one_core)
    thread.start()
    thread.join()
    assert found[0] <= 1


@pytest.mark.parametrize(
    ("limits", "granted"),
    [
        ({"": "max 100000", "a": "50000 100000"}, 0.5),
        ({"": "25000 100000", "a": "50000 100000"}, 0.25),
        ({"": "max 100000", "a": "max 100000"}, None),
    ],
)
def test_the_least_quota_of_all_cgroups_limits_the_cores(files, limits, granted):
    (files / "proc" / "self" / "cgroup").write_text("0::/a\n", encoding="utf-8")
    for level, limit in limits.items():
        folder = files / "cgroup" / level
        folder.mkdir(exist_ok=True)
        (folder / "cpu.max").write_text(f"{limit}\n", encoding="ascii")
    assert usable_cores() == (granted or len(os.sched_getaffinity(0)))
    assert whole_cores() >= 1


def test_an_old_cgroup_limits_the_cores_too(files):
    (files / "proc" / "self" / "cgroup").write_text("4:cpu,cpuacct:/\n", encoding="utf-8")
    (files / "cgroup" / "cpu").mkdir()
    (files / "cgroup" / "cpu" / "cpu.cfs_quota_us").write_text("75000\n", encoding="ascii")
    (files / "cgroup" / "cpu" / "cpu.cfs_period_us").write_text("100000\n", encoding="ascii")
    assert usable_cores() == 0.75


def test_the_levels_of_an_old_cgroup_count_beside_a_new_one(files):
    lines = "4:cpu,cpuacct:/a\n0::/a\n"
    (files / "proc" / "self" / "cgroup").write_text(lines, encoding="utf-8")
    (files / "cgroup" / "cpu" / "a").mkdir(parents=True)
    for level, quota in (("", -1), ("a", 25000)):
        folder = files / "cgroup" / "cpu" / level
        (folder / "cpu.cfs_quota_us").write_text(f"{quota}\n", encoding="ascii")
        (folder / "cpu.cfs_period_us").write_text("100000\n", encoding="ascii")
    assert usable_cores() == 0.25


def test_the_load_is_the_share_of_ticks_that_were_used(files, monkeypatch):
    stat = files / "proc" / "stat"
    stat.write_text("cpu 100 0 100 1000 0 0 0 0 0 0\n", encoding="ascii")

    def later(seconds):
        # 50 user, 10 stolen, 140 idle, waiting for disks counts as idle.
        stat.write_text("cpu 150 0 100 1120 20 0 0 10 0 0\n", encoding="ascii")

    monkeypatch.setattr(machine.time, "sleep", later)
    load = load_before(1.0)
    assert load.busy == pytest.approx(0.3)
    assert load.stolen == pytest.approx(0.05)
    assert not load.quiet


def test_gpus_are_what_the_driver_lists(monkeypatch):
    lines = "NVIDIA H100 80GB HBM3, 550.54.15, 81559\nOdd, name, 550.54.15, [N/A]\n"
    monkeypatch.setattr(machine, "_output", lambda command: lines)
    first, second = fingerprint().gpus
    assert (first.name, first.driver, first.memory_mb) == (
        "NVIDIA H100 80GB HBM3", "550.54.15", 81559,
    )  # fmt: skip
    assert (second.name, second.memory_mb) == ("Odd, name", 0)


def test_a_missing_program_prints_nothing():
    assert machine._output(["no-such-program-here"]) == ""


def test_differences_name_what_differs_and_leave_out_the_program_itself():
    other = MACHINE.model_copy(
        update={
            "gpus": (GPU,),
            "versions": {**MACHINE.versions, "cityeye": "9", "onnxruntime": "1.24.0"},
            "commit": "other",
        }
    )
    found = MACHINE.differences(other)
    assert found == [
        "GPUs: none and Testla with driver 550.1",
        "onnxruntime: 1.23.0 and 1.24.0",
    ]
    assert MACHINE.differences(MACHINE) == []
