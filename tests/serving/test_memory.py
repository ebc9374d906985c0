"""What a process holds for itself, and what the machine and its cgroups give."""

from __future__ import annotations

import mmap
import os
from pathlib import Path

import pytest

from serving import cgroups, memory
from serving.memory import LEAST_PER_WORKER_BYTES, MIB, machine_memory_bytes, memory_per_worker

SIZE = 64 * MIB
SLACK = 8 * MIB


def test_what_a_process_takes_counts_and_what_it_shares_does_not() -> None:
    before = memory.own_memory_bytes()
    with mmap.mmap(-1, SIZE, flags=mmap.MAP_SHARED | mmap.MAP_ANONYMOUS) as shared:
        for at in range(0, SIZE, mmap.PAGESIZE):
            shared[at] = 1
        shared_grown = memory.own_memory_bytes() - before
    with mmap.mmap(-1, SIZE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) as own:
        for at in range(0, SIZE, mmap.PAGESIZE):
            own[at] = 1
        own_grown = memory.own_memory_bytes() - before
    if before == 0:
        pytest.skip("this kernel does not tell")
    assert own_grown > SIZE - SLACK
    assert shared_grown < SLACK


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A /proc and a cgroup tree of a machine that does not exist."""
    (tmp_path / "self").mkdir()
    monkeypatch.setattr(cgroups, "PROC", tmp_path)
    monkeypatch.setattr(cgroups, "CGROUP", tmp_path / "cgroup")
    return tmp_path


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text + "\n", encoding="ascii")


PHYSICAL = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.parametrize(
    ("groups", "limits", "granted"),
    [
        ("0::/a/b", {"a/memory.max": "300", "a/b/memory.max": "max"}, 300),
        ("0::/a/b", {"a/memory.max": "300", "a/b/memory.max": "200"}, 200),
        ("0::/a", {"memory.max": "max", "a/memory.max": "max"}, PHYSICAL),
        ("4:memory:/c\n0::/", {"memory/c/memory.limit_in_bytes": "100"}, 100),
        ("4:memory:/not/here", {"memory/memory.limit_in_bytes": "700"}, 700),
        ("4:memory:/c", {"memory/c/memory.limit_in_bytes": "9223372036854771712"}, PHYSICAL),
        ("5:cpu,cpuacct:/c", {"memory/c/memory.limit_in_bytes": "100"}, PHYSICAL),
    ],
)
def test_the_least_limit_of_all_levels_counts(
    files: Path, groups: str, limits: dict[str, str], granted: int
) -> None:
    write(files / "self" / "cgroup", groups)
    for name, limit in limits.items():
        write(files / "cgroup" / name, limit)
    assert machine_memory_bytes() == granted


def test_a_machine_without_cgroups_gives_all_that_it_has(files: Path) -> None:
    assert machine_memory_bytes() == PHYSICAL


def test_a_worker_gets_what_it_needs_however_many_there_are(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(memory, "machine_memory_bytes", lambda: 8 * 1024 * MIB)
    assert memory_per_worker(1) == 6 * 1024 * MIB
    assert memory_per_worker(3) == 2 * 1024 * MIB
    assert memory_per_worker(100) == LEAST_PER_WORKER_BYTES
