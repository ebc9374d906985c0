"""What was freed goes back to the system, and not all the time."""

from __future__ import annotations

import math
import os
import subprocess
import sys

import pytest

from pipelines.free_memory import HEAP_VARIABLES, HEAPS, FreeMemory, with_heap_settings
from tests.free_memory import free_within, held_megabytes

BUSY = """
import os, threading
from pipelines.free_memory import share_heaps
from tests.free_memory import heaps_of

{begin}
all_here = threading.Barrier(9)

def work():
    kept = [b"x" * 1000 for _ in range(100)]
    all_here.wait()
    all_here.wait()

for _ in range(8):
    threading.Thread(target=work).start()
all_here.wait()
print(heaps_of(os.getpid()))
all_here.wait()
"""
"""Prints how many heaps there are while eight threads have something."""


def test_what_was_freed_between_other_things_goes_back() -> None:
    begin = held_megabytes()
    left = free_within(96)
    held = held_megabytes()
    assert held > begin + 70, "the C library gave it back by itself"
    assert FreeMemory().give_back()
    assert held_megabytes() < held - 60
    assert len(left) == 96


def test_it_is_given_back_at_most_once_a_minute() -> None:
    now_s = [0.0]
    free_memory = FreeMemory(60.0, lambda: now_s[0])

    def given(at_s: float) -> bool:
        now_s[0] = at_s
        return free_memory.give_back()

    assert [given(at_s) for at_s in (100.0, 101.0, 159.9, 160.0, 161.0, 500.0)] == [
        True, False, False, True, False, True,
    ]  # fmt: skip


@pytest.mark.parametrize(("begin", "most"), [("share_heaps()", HEAPS), ("", math.inf)])
def test_threads_share_heaps(begin: str, most: float) -> None:
    heaps = int(subprocess.check_output([sys.executable, "-c", BUSY.format(begin=begin)]))
    assert heaps <= most
    # Else nothing was shown: these threads do not have one heap in common by themselves.
    assert begin or heaps > HEAPS


def without_settings() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name not in HEAP_VARIABLES}


def test_processes_are_started_with_few_heaps_unless_their_environment_says_otherwise() -> None:
    plain = without_settings()
    found = [
        int(subprocess.check_output([sys.executable, "-c", BUSY.format(begin="")], env=environment))
        for environment in (
            plain,
            with_heap_settings(plain),
            with_heap_settings({**plain, "MALLOC_ARENA_MAX": "4"}),
        )
    ]
    assert found[0] > 4
    assert found[1:] == [HEAPS, 4]


ANSWERS = """
import pickle, random
from concurrent.futures import ThreadPoolExecutor
from pipelines.free_memory import FreeMemory
from tests.free_memory import held_megabytes

def answer(number):
    chosen = random.Random(number)
    words = ["x" * chosen.randint(20, 60) for _ in range(chosen.randint(90, 120))]
    pickle.dumps([(word, place) for place, word in enumerate(words)])

def held(first, rounds):
    for begin in range(first, first + rounds * 64, 64):
        list(threads.map(answer, range(begin, begin + 64)))
    FreeMemory().give_back()
    return held_megabytes()

with ThreadPoolExecutor(16) as threads:
    begin = held(0, 8)
    print(held(512, 40) - begin)
"""
"""Prints by how many MiB a process grows while its threads pickle answers of many lengths."""


def test_a_process_does_not_grow_by_the_answers_that_it_gives() -> None:
    before, now = (
        float(subprocess.check_output([sys.executable, "-c", ANSWERS], env=environment))
        for environment in (without_settings(), with_heap_settings(without_settings()))
    )
    assert before > 1.5, "it would not have grown anyway"
    assert now < before / 3
