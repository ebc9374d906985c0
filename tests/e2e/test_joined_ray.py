"""A city on a Ray cluster that others started: it joins, leaves nothing, and takes over."""

from __future__ import annotations

import secrets
import signal
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from tests.camera_adapters.clips import TinyClip
from tests.e2e.command import free_ports
from tests.e2e.ray_machines import RayMachines
from tests.e2e.supervised import SupervisedCity

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.ray,
    pytest.mark.slow,
    pytest.mark.proof,
    pytest.mark.timeout(900),
]

START_S = 240.0


@pytest.fixture(scope="module")
def started_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RayMachines]:
    cluster = RayMachines(tmp_path_factory.mktemp("ray"))
    try:
        cluster.start("head", 8)
        yield cluster
    finally:
        cluster.stop()


@pytest.fixture
def joined_city(
    tmp_path: Path, tiny_clip: TinyClip, started_cluster: RayMachines
) -> Iterator[SupervisedCity]:
    city = SupervisedCity(
        tmp_path,
        tiny_clip.path,
        "ray_serve",
        started_cluster.address,
        **started_cluster.environment,
    )
    yield city
    for process in (*city.below(), city.process):
        with suppress(psutil.NoSuchProcess):
            process.kill()
    city.process.wait()


def test_it_joins_takes_over_and_leaves_nothing(joined_city, started_cluster) -> None:
    joined_city.wait_until(joined_city.is_well, START_S)
    (worker,) = [one for one in started_cluster.actors() if one.startswith("cityeye-worker:")]
    (driver,) = joined_city.find("city process")
    driver.kill()
    joined_city.wait_until(lambda: "the city process died" in joined_city.text())
    joined_city.wait_until(joined_city.is_well, START_S)
    workers = [one for one in started_cluster.actors() if one.startswith("cityeye-worker:")]
    assert len(workers) == 1
    assert workers != [worker], "the new city has a worker of its own"
    joined_city.process.send_signal(signal.SIGTERM)
    assert joined_city.process.wait(120) == 0, joined_city.text()
    assert started_cluster.actors() == []


@pytest.mark.parametrize("trouble", ["token", "away"])
def test_why_it_cannot_join_is_said(tmp_path, tiny_clip, started_cluster, trouble) -> None:
    environment = dict(started_cluster.environment)
    address = started_cluster.address
    if trouble == "token":
        wrong = tmp_path / "wrong"
        wrong.write_text(secrets.token_hex(32), encoding="ascii")
        environment["RAY_AUTH_TOKEN_PATH"] = str(wrong)
        expected = f"the Ray cluster at {address} refuses the token of this program"
    else:
        (port,) = free_ports(1)
        address = f"127.0.0.1:{port}"
        expected = f"no Ray cluster answers at {address}"
    city = SupervisedCity(tmp_path, tiny_clip.path, "in_process", address, **environment)
    assert city.process.wait(180) == 1
    assert expected in city.text()
