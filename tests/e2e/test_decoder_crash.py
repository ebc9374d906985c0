"""A decoder that crashes takes its worker with it and nothing else; its cameras are back soon.

`pytest -s` shows the seconds. What makes a decoder crash is looked for in
`tests/camera_adapters/test_fuzz.py`.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator

import pytest

from benchmarks.chaos.processes import PROCESSES
from tests.camera_adapters.clips import TinyClip
from tests.e2e.supervised import SupervisedCity, well_city

pytestmark = [pytest.mark.e2e, pytest.mark.ray, pytest.mark.proof, pytest.mark.timeout(420)]

BACK_S = 15.0
OTHERS = ("director", "raylet", "GCS", "proxy", "controller", "control API", "hub", "city process")


@pytest.fixture(scope="module")
def city(tmp_path_factory: pytest.TempPathFactory, tiny_clip: TinyClip) -> Iterator[SupervisedCity]:
    with well_city(tmp_path_factory.mktemp("city"), tiny_clip.path) as city:
        yield city


@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGABRT, signal.SIGILL])
def test_only_the_worker_dies_and_its_cameras_are_back(city: SupervisedCity, number: int) -> None:
    assert set(OTHERS) < set(PROCESSES)
    others = {name: [one.pid for one in city.find(name)] for name in OTHERS}
    (worker,) = city.find("worker")
    city.wait_until(city.is_well)
    os.kill(worker.pid, number)
    city.wait_until(lambda: not worker.is_running())
    back_s = city.wait_until(city.is_well)
    sys.stdout.write(f"\n| {signal.Signals(number).name} | {back_s:.1f} s |\n")
    assert back_s < BACK_S
    assert {name: [one.pid for one in city.find(name)] for name in OTHERS} == others
