"""What dies in a running city comes back; with the main process nothing is left."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import psutil
import pytest

from tests.camera_adapters.clips import TinyClip
from tests.e2e.supervised import SupervisedCity, well_city

pytestmark = [pytest.mark.e2e, pytest.mark.ray, pytest.mark.slow, pytest.mark.timeout(420)]

BACK_S = 90.0
GONE_S = 10.0


@pytest.fixture(scope="module")
def city(tmp_path_factory: pytest.TempPathFactory, tiny_clip: TinyClip) -> Iterator[SupervisedCity]:
    with well_city(tmp_path_factory.mktemp("city"), tiny_clip.path) as city:
        yield city


def test_a_killed_director_is_replaced_and_the_worker_goes_on(city: SupervisedCity) -> None:
    (worker,) = city.find("worker")
    (director,) = city.find("director")
    before = city.analysed()
    os.kill(director.pid, signal.SIGKILL)
    city.wait_until(lambda: "the director is back after" in city.text(), BACK_S)
    city.wait_until(city.is_well, BACK_S)
    assert [one.pid for one in city.find("worker")] == [worker.pid]
    assert [one.pid for one in city.find("director")] != [director.pid]
    after = city.analysed()
    assert before is not None
    assert after is not None
    assert after > before, "the worker has never been started anew"
    assert "worker-0 was replaced" not in city.text()


def test_a_killed_control_service_of_ray_costs_the_city_seconds(city: SupervisedCity) -> None:
    (process,) = city.find("city process")
    before = [process, *process.children(recursive=True)]
    (gcs,) = city.find("GCS")
    os.kill(gcs.pid, signal.SIGKILL)
    city.wait_until(lambda: "nobody watches: Ray's control service (GCS) ended" in city.text(), 30)
    city.wait_until(city.is_well, BACK_S)
    assert "the city is back after" in city.text()
    assert not [one for one in before if one.is_running()], "all of Ray is new"
    assert city.process.poll() is None


def test_nothing_outlives_a_main_process_that_is_killed(city: SupervisedCity) -> None:
    started = city.below()
    assert len(started) > 8
    os.kill(city.process.pid, signal.SIGKILL)
    city.process.wait()
    _, left = psutil.wait_procs(started, timeout=GONE_S)
    names = []
    for process in left:
        names.append(" ".join(process.cmdline())[:80])
        process.kill()
    assert not names
