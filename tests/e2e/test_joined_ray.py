"""A city on a Ray cluster that others started: it joins, leaves nothing, and takes over."""

from __future__ import annotations

import json
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from tests.camera_adapters.clips import TinyClip
from tests.e2e.command import free_ports
from tests.e2e.supervised import SupervisedCity

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.ray,
    pytest.mark.slow,
    pytest.mark.proof,
    pytest.mark.timeout(900),
]

RAY = Path(sys.executable).with_name("ray")
START_S = 240.0
IN_THE_CLUSTER = """
import json, os, ray
from ray._private import ray_constants
ray_constants.ENABLE_RAY_CLUSTER = False  # as the cluster, on loopback
from ray.util import list_named_actors
ray.init(address=os.environ["CLUSTER"], log_to_driver=False, logging_level=40)
print(json.dumps(sorted(one["name"] for one in list_named_actors(all_namespaces=True))))
"""


@dataclass(frozen=True, slots=True)
class StartedCluster:
    """A head that `ray start` started, on loopback, with a token of its own."""

    address: str
    environment: Mapping[str, str]
    processes: tuple[psutil.Process, ...]

    def actors(self) -> list[str]:
        """Names of the actors that live in it."""
        asked = subprocess.run(
            [sys.executable, "-c", IN_THE_CLUSTER],
            env={**os.environ, **self.environment, "CLUSTER": self.address},
            capture_output=True,
            text=True,
            timeout=120,
            check=True,
        )
        names: list[str] = json.loads(asked.stdout.splitlines()[-1])
        return names


@pytest.fixture(scope="module")
def started_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StartedCluster]:
    folder = tmp_path_factory.mktemp("ray")
    token = folder / "token"
    token.write_text(secrets.token_hex(32), encoding="ascii")
    environment = {
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN_PATH": str(token),
        "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_raylet_start_wait_time_s": "120",
        "PYTHONPATH": str(Path(__file__).parents[2]),
    }
    port, client_port = free_ports(2)
    command = [
        *(str(RAY), "start", "--head", f"--port={port}", f"--ray-client-server-port={client_port}"),
        *("--node-ip-address=127.0.0.1", "--num-cpus=8", "--include-dashboard=false"),
        *(f"--temp-dir={folder / 'r'}", "--object-store-memory=100000000", "--block"),
        *("--min-worker-port=0", "--max-worker-port=0"),
    ]
    with ExitStack() as stack:
        output = stack.enter_context((folder / "ray.txt").open("w"))
        head = subprocess.Popen(
            command, env={**os.environ, **environment}, stdout=output, stderr=subprocess.STDOUT
        )
        stack.callback(_end, head)
        deadline_s = time.monotonic() + START_S
        while "--block" not in (said := (folder / "ray.txt").read_text()):
            assert head.poll() is None, said
            assert time.monotonic() < deadline_s, said
            time.sleep(0.2)
        processes = tuple(psutil.Process(head.pid).children(recursive=True))
        yield StartedCluster(f"127.0.0.1:{port}", environment, processes)


def _end(head: subprocess.Popen[bytes]) -> None:
    below = psutil.Process(head.pid).children(recursive=True) if head.poll() is None else []
    for process in (*below, head):
        with suppress(psutil.NoSuchProcess):
            process.kill()
    head.wait()


@pytest.fixture
def joined_city(
    tmp_path: Path, tiny_clip: TinyClip, started_cluster: StartedCluster
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
