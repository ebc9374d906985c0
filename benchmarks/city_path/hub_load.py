"""What a hub takes and gives while it knows so many cameras: events, heartbeats, and its lists."""

from __future__ import annotations

import itertools
import statistics
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from benchmarks.city_path.director_round import PER_WORKER
from benchmarks.city_path.recording import CITY, CityRecording
from benchmarks.hub_process import BenchHub
from pipelines.event import (
    CameraBeat,
    CameraData,
    CameraStateData,
    CameraStateEvent,
    HeartbeatData,
    HeartbeatEvent,
)
from pipelines.event_identity import camera_source, event_id, worker_source

BATCH: Final = 250
SENDERS: Final = 8
ASKED: Final = 5
VALID_S: Final = 12.0
AHEAD_PER_S: Final = 300
"""Events that are made before the clock starts, for each sender and second."""


@dataclass(frozen=True, slots=True)
class HubLoad:
    """What a hub does with so many cameras.

    Attributes:
        events_per_s: Events that it takes, each in a request of its own as relays send them.
        heartbeats_per_s: Heartbeats of eight cameras that it takes.
        cameras_ms: Until the list of all cameras was there, milliseconds.
    """

    events_per_s: float
    heartbeats_per_s: float
    cameras_ms: float


def hub_load(
    hub: BenchHub, recording: CityRecording, known: int, cameras: int, seconds: float
) -> HubLoad:
    """Measures.

    Args:
        hub: It knows the first `known` cameras already.
        recording: What a camera sends.
        known: See above.
        cameras: How many it shall know.
        seconds: Length of each measurement.

    Raises:
        BenchmarkError: The hub refuses something.
    """
    fresh = iter(range(known, cameras))
    while own := list(itertools.islice(fresh, BATCH)):
        hub.send_batch([_state(number) for number in own])
    wanted = int(seconds * AHEAD_PER_S)
    stocks = [
        list(itertools.islice(_events(recording, cameras, sender), wanted))
        for sender in range(SENDERS)
    ]
    events_per_s = _sent_per_s(hub.send, stocks, seconds)
    workers = -(-cameras // PER_WORKER)
    beats = [
        list(itertools.islice(_beats(cameras, range(sender, workers, SENDERS)), wanted))
        for sender in range(min(SENDERS, workers))
    ]
    heartbeats_per_s = _sent_per_s(hub.send, beats, seconds)
    return HubLoad(events_per_s, heartbeats_per_s, _cameras_ms(hub))


def _sent_per_s(send: Callable[[bytes], None], stocks: list[list[bytes]], seconds: float) -> float:
    end_s = time.monotonic() + seconds

    def run(stock: list[bytes]) -> int:
        for number, body in enumerate(stock):
            if time.monotonic() >= end_s:
                return number
            send(body)
        return len(stock)

    began_s = time.monotonic()
    with ThreadPoolExecutor(len(stocks)) as pool:
        sent = sum(pool.map(run, stocks))
    return sent / (time.monotonic() - began_s)


def _cameras_ms(hub: BenchHub) -> float:
    times = []
    for _ in range(ASKED):
        began_s = time.perf_counter()
        hub.get("/api/cameras")
        times.append(1000 * (time.perf_counter() - began_s))
    return statistics.median(times)


def _name(number: int) -> str:
    return f"cam-{number:06d}"


def _events(recording: CityRecording, cameras: int, sender: int) -> Iterator[bytes]:
    """Of the sender's share of the cameras, again and again; another number of cameras, other ids.

    Where there are fewer cameras than senders, several send of one.
    """
    own = range(sender % cameras, cameras, SENDERS)
    for round_number in itertools.count():
        for number in own:
            yield from recording.of(_name(number), round_number * SENDERS + sender + cameras * 1000)


def _state(number: int) -> bytes:
    name, now = _name(number), datetime.now(UTC)
    source = camera_source(CITY, name)
    data = CameraStateData(
        camera=CameraData(id=name, name=name), state="online", previous="offline", reason="",
        since=now,
    )  # fmt: skip
    return (
        CameraStateEvent(
            id=event_id(source, "online"),
            source=source,
            subject=name,
            time=now,
            partitionkey=name,
            incarnation=1,
            sequence="1",
            data=data,
        )
        .model_dump_json()
        .encode()
    )


def _beats(cameras: int, workers: range) -> Iterator[bytes]:
    for beat in itertools.count(1):
        for worker in workers:
            first = worker * PER_WORKER
            own = range(first, min(first + PER_WORKER, cameras))
            yield _heartbeat(f"worker-{worker}", beat, [_name(number) for number in own])


def _heartbeat(worker: str, beat: int, cameras: list[str]) -> bytes:
    now = datetime.now(UTC)
    states = tuple(
        CameraBeat(camera=CameraData(id=name, name=name), state="online") for name in cameras
    )
    data = HeartbeatData(
        worker=worker, beat=beat, uptime_s=4.0 * beat, valid_s=VALID_S, cameras=states
    )
    return (
        HeartbeatEvent(
            id=event_id(worker, str(beat), now.isoformat()),
            source=worker_source(CITY, worker),
            subject=worker,
            time=now,
            partitionkey=worker,
            incarnation=1,
            sequence="1",
            expirytime=now + timedelta(seconds=VALID_S),
            data=data,
        )
        .model_dump_json()
        .encode()
    )
