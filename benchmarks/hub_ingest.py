"""How many events per second a hub takes, each on the disk when it is acknowledged.

What is acknowledged is counted: an event that is lost, or stored twice, ends the benchmark.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from benchmarks.errors import BenchmarkError
from benchmarks.hub_events import incidents, measurements
from benchmarks.hub_process import BenchHub
from benchmarks.subject import Say

BATCH: Final = 250
SENDERS: Final = 8
REPEATED: Final = 10
"""How often an event is sent, where what is left of it is counted."""
PER_SECOND: Final = 500
"""More than one sender sends."""
SAY_EVERY: Final = 50_000


def ingested(
    hub: BenchHub, incident_count: int, measurement_count: int, seconds: float, say: Say
) -> dict[str, float]:
    """Fills a hub; events per second by how they came.

    Args:
        hub: An empty one.
        incident_count: Incidents that it gets in batches.
        measurement_count: Measurements that it gets in batches.
        seconds: How long events are sent one by one, each way.
        say: Progress.

    Raises:
        BenchmarkError: It refuses some, or does not keep each once.
    """
    found = {
        "batch_incidents_per_s": _fill(hub, incidents(incident_count), say),
        "batch_measurements_per_s": _fill(hub, measurements(measurement_count), say),
    }
    expected = incident_count + measurement_count
    _expect(hub, expected)
    again = list(itertools.islice(measurements(measurement_count), BATCH))
    began_s = time.monotonic()
    for _ in range(REPEATED):
        hub.send_batch(again)
    found["batch_duplicates_per_s"] = REPEATED * len(again) / (time.monotonic() - began_s)
    _expect(hub, expected)
    for name, senders in (("single_per_s", 1), (f"single_{SENDERS}_senders_per_s", SENDERS)):
        stocks = _stocks(hub.events(), senders, seconds)
        found[name] = sum(_sent([(hub, stock) for stock in stocks], 1, seconds)) / seconds
    return found


def ingested_by_two(hubs: tuple[BenchHub, BenchHub], seconds: float) -> dict[str, float]:
    """Different events per second that hubs with one database take, each sent ten times.

    Half of the senders send to one hub, half of them the same events to the other one, each event
    several times.

    Raises:
        BenchmarkError: A hub refuses some, or they do not keep each once.
    """
    before = hubs[0].events()
    stocks = _stocks(before, SENDERS // 2, seconds)
    sent = _sent([(hub, own) for own in stocks for hub in hubs], REPEATED // 2, seconds)
    # Both have sent the same events from the first on, one of them some more.
    different = sum(map(max, sent[::2], sent[1::2]))
    for hub in hubs:
        _expect(hub, before + different)
    return {f"two_hubs_each_{REPEATED}_times_per_s": different / seconds}


def _expect(hub: BenchHub, events: int) -> None:
    kept = hub.events()
    if kept != events:
        raise BenchmarkError(f"the hub keeps {kept} events of {events} that it acknowledged")


def _fill(hub: BenchHub, events: Iterator[bytes], say: Say) -> float:
    sent, sending_s = 0, 0.0
    while batch := list(itertools.islice(events, BATCH)):
        began_s = time.monotonic()
        hub.send_batch(batch)
        sending_s += time.monotonic() - began_s
        sent += len(batch)
        if sent % SAY_EVERY < BATCH:
            say(f"{sent} events, {sent / sending_s:.0f} per second")
    return sent / sending_s if sending_s else 0.0


def _stocks(first: int, senders: int, seconds: float) -> list[list[bytes]]:
    """More events for each sender than it can send; none of them is among the first ones."""
    each = int(seconds * PER_SECOND) + 1
    fresh = incidents(each * senders, first=first)
    return [list(itertools.islice(fresh, each)) for _ in range(senders)]


def _sent(senders: Sequence[tuple[BenchHub, list[bytes]]], times: int, seconds: float) -> list[int]:
    """How many events were acknowledged, by sender; each waits for its answer.

    Args:
        senders: To which hub, and which events.
        times: How often each event is sent.
        seconds: How long.
    """
    end_s = time.monotonic() + seconds

    def send(hub: BenchHub, own: Sequence[bytes]) -> int:
        for number, event in enumerate(own):
            if time.monotonic() > end_s:
                return number
            for _ in range(times):
                hub.send(event)
        return len(own)

    with ThreadPoolExecutor(len(senders)) as pool:
        return list(pool.map(send, *zip(*senders, strict=True)))
