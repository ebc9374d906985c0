"""Every process of a city, killed and stopped, five times each: how long until it is well again.

A city suffers the same fault in one process after the other, main last, each once it is well
again. Rows are kept in `.proofs/recovery.jsonl`, and a run that was cut short goes on after them;
remove the file to measure anew. `python -m tests.e2e.recovery FILE` prints the table.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from benchmarks.chaos.processes import MAIN, PROCESSES
from tests.camera_adapters.clips import TinyClip
from tests.e2e.recovery import FAULTS, WATCHDOG_S, Row, append, open_manager, read, suffer
from tests.e2e.supervised import SupervisedCity

pytestmark = [pytest.mark.e2e, pytest.mark.ray, pytest.mark.proof, pytest.mark.timeout(3000)]

TIMES = 5
BACK_S = 90.0
FROZEN_BACK_S = 45.0 + BACK_S
PROXY_S = 30.0
REPLICA_S = 15.0
FALSE_S = 15.0
FILE = Path(__file__).parents[2] / ".proofs" / "recovery.jsonl"
LIMITS = {
    ("proxy", "kill -9"): PROXY_S,
    ("controller", "kill -9"): PROXY_S,
    ("replica", "kill -9"): REPLICA_S,
}


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("time", range(TIMES))
def test_the_city_is_well_again_or_has_ended(
    time: int, fault: str, tmp_path: Path, tiny_clip: TinyClip
) -> None:
    kept = [row for row in read(FILE) if row.fault == fault] if FILE.exists() else []
    open_ones = [
        process
        for process in (*PROCESSES, MAIN)
        if sum(row.process == process for row in kept) <= time
    ]
    found: list[Row] = []
    number = 0
    while open_ones:
        number += 1
        folder = tmp_path / str(number)
        folder.mkdir()
        for row in suffered(folder, tiny_clip.path, fault, open_ones):
            append(FILE, row)
            found.append(row)
            open_ones.remove(row.process)
    assert [problem for row in found for problem in problems_of(row)] == []


def suffered(folder: Path, clip: Path, fault: str, processes: list[str]) -> Iterator[Row]:
    """The rows of one city: as many processes as it gets over."""
    address = str(folder / "n")
    with open_manager(address) as manager, running(folder, clip, address) as city:
        for process in list(processes):
            city.wait_until(city.is_well)
            row = suffer(city, process, fault, manager)
            yield row
            if row.recovered_s is None:
                return


@contextmanager
def running(folder: Path, clip: Path, manager: str) -> Iterator[SupervisedCity]:
    """A city that is stopped with the block."""
    watchdog = str(int(WATCHDOG_S * 1e6))
    city = SupervisedCity(folder, clip, "ray_serve", NOTIFY_SOCKET=manager, WATCHDOG_USEC=watchdog)
    try:
        yield city
    finally:
        city.stop()


def problems_of(row: Row) -> list[str]:
    """What of a row is not as promised."""
    name = f"{row.process} {row.fault}"
    problems = [f"{name}: left behind: {one}" for one in row.left]
    problems += [
        f"{name}: {surface} claimed for {seconds} s that all cameras are watched: {row.said}"
        for surface, seconds in row.false_s.items()
        if seconds > FALSE_S
    ]
    slow = BACK_S if row.fault == "kill -9" else FROZEN_BACK_S
    limit_s = LIMITS.get((row.process, row.fault), slow)
    if row.recovered_s is not None and row.recovered_s > limit_s:
        problems.append(f"{name}: {row.recovered_s} s until it was well again: {row.said}")
    if row.recovered_s is None and (row.status in (None, 0) or row.process != MAIN):
        problems.append(f"{name}: not well again, status {row.status}: {row.said}")
    return problems
