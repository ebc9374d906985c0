"""How many events per second a hub takes, each on the disk when it is acknowledged.

What is acknowledged is counted: an event that is lost, or stored twice, ends the benchmark.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from benchmarks.errors import BenchmarkError
from benchmarks.hub_events import CAMERAS, camera_states, incidents, measurements
from benchmarks.hub_process import BenchHub
from benchmarks.subject import Say

BATCH: Final = 250
SENDERS: Final = 8
REPEATED: Final = 10
"""How often an event is sent, where what is left of it is counted."""
PER_SECOND: Final = 500
"""More than one sender sends."""
ROUNDS: Final = 10
APART: Final = 1_000_000
"""Incidents of one stock are numbered from a multiple of it on, so that no two have the same."""

Rates = tuple[float, ...]
"""Events per second, a number for each round."""


def ingested(
    hub: BenchHub, incident_count: int, measurement_count: int, seconds: float, say: Say
) -> dict[str, Rates]:
    """Fills a hub; events per second by how they came, in several rounds each.

    Args:
        hub: An empty one.
        incident_count: Incidents that it gets in batches.
        measurement_count: Measurements that it gets in batches.
        seconds: How long events are sent one by one in a round.
        say: Progress.

    Raises:
        BenchmarkError: It refuses some, or does not keep each once.
    """
    hub.send_batch(list(camera_states()))
    found = {
        "batch_incidents_per_s": _fill(hub, incidents(incident_count), incident_count, say),
        "batch_measurements_per_s": _fill(
            hub, measurements(measurement_count), measurement_count, say
        ),
    }
    expected = CAMERAS + incident_count + measurement_count
    _expect(hub, expected)
    again = list(itertools.islice(measurements(measurement_count), BATCH))
    found["batch_duplicates_per_s"] = tuple(_rate(hub, [again]) for _ in range(REPEATED))
    _expect(hub, expected)
    numbers = itertools.count(APART, APART)
    for name, senders in (("single_per_s", 1), (f"single_{SENDERS}_senders_per_s", SENDERS)):
        found[name] = tuple(_singles_per_s(hub, numbers, senders, seconds) for _ in range(ROUNDS))
    return found


def ingested_by_two(hubs: tuple[BenchHub, BenchHub], seconds: float) -> Rates:
    """Different events per second that hubs with one database take, each sent ten times.

    Half of the senders send to one hub, half of them the same events to the other one, each event
    several times.

    Raises:
        BenchmarkError: A hub refuses some, or they do not keep each once.
    """
    # Beyond those of `ingested`.
    numbers = itertools.count(APART * 1000, APART)
    return tuple(_of_two_per_s(hubs, numbers, seconds) for _ in range(ROUNDS))


def _of_two_per_s(hubs: tuple[BenchHub, BenchHub], numbers: Iterator[int], seconds: float) -> float:
    before = hubs[0].events()
    stocks = _stocks(numbers, SENDERS // 2, seconds)
    sent = _sent([(hub, own) for own in stocks for hub in hubs], REPEATED // 2, seconds)
    # Both have sent the same events from the first on, one of them some more.
    different = sum(map(max, sent[::2], sent[1::2]))
    for hub in hubs:
        _expect(hub, before + different)
    return different / seconds


def _singles_per_s(hub: BenchHub, numbers: Iterator[int], senders: int, seconds: float) -> float:
    before = hub.events()
    sent = sum(_sent([(hub, own) for own in _stocks(numbers, senders, seconds)], 1, seconds))
    _expect(hub, before + sent)
    return sent / seconds


def _expect(hub: BenchHub, events: int) -> None:
    kept = hub.events()
    if kept != events:
        raise BenchmarkError(f"the hub keeps {kept} events of {events} that it acknowledged")


def _fill(hub: BenchHub, events: Iterator[bytes], count: int, say: Say) -> Rates:
    """Sends so many events in batches; the rates of as many parts of them as there are rounds."""
    rates: list[float] = []
    batches = -(-count // BATCH)
    for number in range(ROUNDS):
        size = batches * (number + 1) // ROUNDS - batches * number // ROUNDS
        part = list(itertools.islice(events, size * BATCH))
        if part:
            rates.append(_rate(hub, _batches(part)))
            say(f"{len(part)} events, {rates[-1]:.0f} per second")
    return tuple(rates)


def _rate(hub: BenchHub, batches: Iterable[Sequence[bytes]]) -> float:
    sent, sending_s = 0, 0.0
    for batch in batches:
        began_s = time.monotonic()
        hub.send_batch(batch)
        sending_s += time.monotonic() - began_s
        sent += len(batch)
    return sent / sending_s


def _batches(events: Sequence[bytes]) -> Iterator[Sequence[bytes]]:
    for begin in range(0, len(events), BATCH):
        yield events[begin : begin + BATCH]


def _stocks(numbers: Iterator[int], senders: int, seconds: float) -> list[list[bytes]]:
    """More events for each sender than it can send, each stock from the next number on."""
    each = int(seconds * PER_SECOND) + 1
    return [list(incidents(each, first=next(numbers))) for _ in range(senders)]


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
