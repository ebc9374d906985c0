"""A hub holds what it needs, and gives back what it has freed."""

from __future__ import annotations

import gc
import sys
import time

from event_hub.envelope import parse_event
from tests.event_hub.conftest import StartHub
from tests.event_hub.samples import dump, incident
from tests.free_memory import free_within, held_megabytes


def test_a_hub_gives_back_what_was_freed(start_hub: StartHub) -> None:
    left = free_within(96)
    held = held_megabytes()
    start_hub()
    end_s = time.monotonic() + 20
    while held_megabytes() > held - 50:
        assert time.monotonic() < end_s
        time.sleep(0.1)
    assert left


def test_nothing_of_an_event_stays_in_memory_when_it_was_read() -> None:
    def read(begin: int, end: int) -> int:
        for number in range(begin, end):
            parse_event(dump(incident(f"i-{number}", number + 1)))
        gc.collect()
        return sys.getallocatedblocks()

    before = read(0, 200)
    assert read(200, 2200) - before < 500
