"""The head of a cluster is killed and comes back: cameras go on, and the rest follows."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from tests.e2e.cluster_city import CAMERAS, FIELD, ClusterCity, committed, open_ones, stored
from tests.e2e.ray_machines import RayMachine, RayMachines, require_apart
from tests.e2e.redis_server import redis_server

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.ray,
    pytest.mark.slow,
    pytest.mark.proof,
    pytest.mark.timeout(900),
]

AWAY_S = 80.0
"""Longer than the minute that Ray's processes wait for their head by default."""

SAID_S = 15.0
"""Within so many seconds terminal and health say that it is away."""

LONGEST_GAP_S = 6.0
"""A camera of 2 images/s on a machine with two cores for four raylets; counts come each second."""

BACK_S = 60.0
"""So many seconds after its start all is as it was, and what ended meanwhile is replaced."""

WAITS_S = 20.0

AWAY = "the control service (GCS) of the Ray cluster"


class Watch(threading.Thread):
    """Asks for the cameras all the time, and notes how long none of each was analysed.

    Attributes:
        longest_s: By camera, seconds between two counts that differ.
        unanswered: How many questions had no answer.
    """

    def __init__(self, city: ClusterCity) -> None:
        super().__init__(daemon=True)
        self._city, self._over = city, threading.Event()
        self._counts: dict[str, tuple[int, float]] = {}
        self.longest_s = dict.fromkeys(CAMERAS, 0.0)
        self.unanswered = 0

    def run(self) -> None:
        while not self._over.wait(0.5):
            cameras = self._city.cameras()
            self.unanswered += not cameras
            for name, one in cameras.items():
                self._note(name, one["analysed"], time.monotonic())

    def _note(self, name: str, count: int | None, now_s: float) -> None:
        before, since_s = self._counts.get(name, (count, now_s))
        if count is None or before is None:
            return
        self.longest_s[name] = max(self.longest_s.get(name, 0.0), now_s - since_s)
        if count != before or name not in self._counts:
            self._counts[name] = (count, now_s)

    def end(self) -> None:
        self._over.set()
        self.join()


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[RayMachines]:
    require_apart()
    with redis_server(tmp_path) as redis:
        cluster = RayMachines(tmp_path, redis)
        try:
            cluster.start("head", 0)
            cluster.start("office", 1, {"network": "office"}, apart=True)
            cluster.start("north", 2, FIELD)
            cluster.start("south", 2, FIELD)
            yield cluster
        finally:
            cluster.stop()


@pytest.fixture
def city(tmp_path: Path, cluster: RayMachines) -> Iterator[ClusterCity]:
    city = ClusterCity(tmp_path, cluster, "office")
    yield city
    city.end()


def worker_processes(machine: RayMachine) -> list[psutil.Process]:
    """The camera workers of a machine, whatever Ray says of them."""
    found = []
    for process in machine.processes:
        with suppress(psutil.NoSuchProcess):
            if "CameraWorker" in " ".join(process.cmdline()):
                found.append(process)
    return found


def test_a_head_that_is_killed_and_comes_back(cluster, city, record_property) -> None:
    city.wait(lambda: len(city.analysed_on()) == len(CAMERAS), "all cameras are analysed")
    places = city.analysed_on()
    city.wait(lambda: {one["camera"]["id"] for one in city.incidents()} >= {*CAMERAS}, "incidents")
    assert AWAY not in city.problems()

    cameras_go_on_and_it_is_said(cluster, city, record_property)
    worker_processes(cluster.machines["south"])[0].kill()
    city.wait(lambda: len(city.analysed_on()) == len(CAMERAS) - 1, "a camera is missed")
    city.wait(lambda: "nothing is known of camera" in city.problems(), "health says it")
    cluster.start("head", 0)
    back_s = city.wait(
        lambda: city.analysed_on() == places and AWAY not in city.problems(), "all is back", BACK_S
    )
    record_property("seconds until all was back after the start of the head", round(back_s, 1))
    assert "the control service of the Ray cluster is back after" in city.text()
    each_camera_has_one_worker(cluster)
    applied = city.apply(*CAMERAS, "square-5")
    assert applied.returncode == 0, applied.stdout + applied.stderr
    city.wait(lambda: "square-5" in city.analysed_on(), "the new camera is analysed")

    assert city.stop() == 0, city.text()
    assert cluster.actors() == []
    assert worker_processes(cluster.machines["north"]) == []
    assert worker_processes(cluster.machines["south"]) == []
    nothing_is_lost(cluster, city)


def test_a_city_that_starts_while_the_head_is_away_waits_for_it(cluster, city) -> None:
    city.wait(lambda: len(city.analysed_on()) == len(CAMERAS), "all cameras are analysed")
    cluster.machines["head"].kill()
    city.kill_city_process()
    city.wait(lambda: "a raylet of this machine waits for it; waiting, too" in city.text(), "said")
    time.sleep(WAITS_S)
    assert city.text().count("is started again") == 1
    cluster.start("head", 0)
    city.wait(lambda: len(city.analysed_on()) == len(CAMERAS), "all cameras are analysed again")
    each_camera_has_one_worker(cluster)

    cluster.machines["head"].kill()
    city.wait(lambda: AWAY in city.problems(), "health says it", SAID_S)
    assert city.stop() == 0, city.text()
    assert "Cameras are watched until the city is started again and stopped" in city.text()
    cluster.start("head", 0)
    each_camera_has_one_worker(cluster)


def cameras_go_on_and_it_is_said(cluster, city, record_property) -> None:
    """The head is killed, for longer than Ray waits by default."""
    places = city.analysed_on()
    watch = Watch(city)
    watch.start()
    cluster.machines["head"].kill()
    killed_s = time.monotonic()
    city.wait(lambda: AWAY in city.problems(), "health says it", SAID_S)
    city.wait(lambda: AWAY in city.text(), "the terminal says it", SAID_S)
    refused = city.apply(*CAMERAS, "square-5")
    assert refused.returncode == 1
    assert AWAY in refused.stdout + refused.stderr
    time.sleep(AWAY_S - (time.monotonic() - killed_s))
    assert city.analysed_on() == places
    watch.end()
    record_property("longest seconds without a result of a camera", watch.longest_s)
    assert max(watch.longest_s.values()) < LONGEST_GAP_S
    # The head had a proxy of its own, at the same address as that of the office.
    assert watch.unanswered <= 1
    assert "is started again" not in city.text()


def each_camera_has_one_worker(cluster: RayMachines) -> None:
    workers = [one for one in cluster.actors() if one.startswith("cityeye-worker:")]
    assert len({one.split(":")[1] for one in workers}) == len(workers) == len(CAMERAS)
    processes = [worker_processes(cluster.machines[name]) for name in ("north", "south")]
    assert sum(map(len, processes)) == len(CAMERAS)


def nothing_is_lost(cluster: RayMachines, city: ClusterCity) -> None:
    """The city has ended: its incidents have, and what its machines promised has arrived."""
    assert open_ones(city.folder) == 0
    for name in ("north", "south"):
        cluster.machines[name].kill()
        promised = committed(cluster.machines[name].state)
        assert promised
        assert promised <= stored(city.folder)
