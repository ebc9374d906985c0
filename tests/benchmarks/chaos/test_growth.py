"""A soak names the process that grows, and no other."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from benchmarks.chaos.campaign import ChaosOptions
from benchmarks.chaos.growth import (
    GrowthWatch,
    ProcessGrowth,
    ProcessSample,
    broken_growth,
    growth_plot,
    growth_table,
)
from benchmarks.chaos.kinds import FAULT_KINDS
from benchmarks.errors import BenchmarkError
from benchmarks.processes import GCS

SAMPLES = 15
WORK = {
    "memory": "kept.append(bytearray(b'x' * 1_000_000))",
    "descriptors": "kept.append(open('/dev/null'))",
    "threads": "threading.Thread(target=time.sleep, args=(60,), daemon=True).start()",
    "nothing": "pass",
    "end": "time.sleep(0.5); sys.exit()",
}


@contextlib.contextmanager
def parent_of(*children: str) -> Iterator[tuple[int, list[int]]]:
    """A process that starts one for each word of `WORK`; gives its id and theirs."""
    child = "import sys, threading, time\nkept = []\nwhile True:\n    time.sleep(0.05)\n    "
    commands = [[sys.executable, "-c", child + WORK[one]] for one in children]
    parent = (
        f"import subprocess, sys\nall = [subprocess.Popen(one) for one in {commands!r}]\n"
        "print(*(one.pid for one in all), flush=True)\nsys.stdin.read()\n"
        "[one.kill() for one in all]"
    )
    with subprocess.Popen(
        [sys.executable, "-c", parent], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            yield process.pid, [int(pid) for pid in process.stdout.readline().split()]
        finally:
            process.communicate()


def sampled(root: int) -> list[ProcessGrowth]:
    watch = GrowthWatch(lambda: root)
    for _ in range(SAMPLES):
        watch.sample()
        time.sleep(0.1)
    return watch.between(0.0, time.monotonic())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("what", "words"),
    [("memory", " grows by "), ("descriptors", " descriptors after "), ("threads", " threads ")],
)
def test_what_grows_is_named_and_what_does_not_is_not(what, words):
    with parent_of(what, "nothing") as (root, (growing, other)):
        time.sleep(0.5)  # What a process takes to start is none of its growth.
        processes = sampled(root)
    assert {one.pid for one in processes} == {root, growing, other}
    problems = broken_growth(processes)
    assert any(f" {growing} " in one and words in one for one in problems)
    assert not any(f" {other} " in one for one in problems)
    assert len(growth_table(processes).rows) == len(growth_plot(processes).lines) == 3


@pytest.mark.slow
def test_a_process_that_ends_is_no_process_that_stays():
    with parent_of("end") as (root, (ended,)):
        problems = broken_growth(sampled(root))
    assert any(f" {ended} was not there all the time" in one for one in problems)


def test_the_gcs_of_ray_may_grow():
    samples = [ProcessSample(60.0 * one, 100.0 + one, 10, 5) for one in range(60)]
    assert broken_growth([ProcessGrowth(GCS, 7, samples, stayed=True)]) == []
    (problem,) = broken_growth([ProcessGrowth("director", 7, samples, stayed=True)])
    assert problem == "director 7 grows by 60.0 MB per hour"


def test_a_soak_hits_no_process():
    wanted = ChaosOptions(soak=60.0).wanted()
    assert {FAULT_KINDS[name].group for name in wanted} == {"camera", "receiver", "store"}
    with pytest.raises(BenchmarkError, match="name kinds that hit something else"):
        ChaosOptions(soak=60.0, kinds=("kill -9 worker",)).wanted()
