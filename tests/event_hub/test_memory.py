"""A hub holds what it needs, and gives back what it has freed."""

from __future__ import annotations

import time

from tests.event_hub.conftest import StartHub
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
