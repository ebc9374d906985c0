"""A Ray cluster of several machines, all of them this one, each with a state folder of its own.

A machine that is `apart` sees no processes but its own, as in a container: what joins the cluster
there finds this machine's raylet and no other.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest

from serving.city_plan import NODE_STATE
from tests.e2e.command import free_ports
from tests.e2e.redis_server import Redis

RAY_ON_LOOPBACK = """
from ray._private import ray_constants, services
from ray.scripts import scripts

def joined(address, temp_dir=None):
    ray_constants.ENABLE_RAY_CLUSTER = False
    return address

# A head comes back while the other machines go on, which are taken for heads as they name it.
services.find_gcs_addresses = frozenset

# Ray stays on loopback where it is told that there are no clusters, and no machine may join then.
ray_constants.ENABLE_RAY_CLUSTER = "--address" in " ".join(__import__("sys").argv)
services.canonicalize_bootstrap_address = joined
# Where this machine has another address, Ray would take that in place of 127.0.0.1.
services.resolve_ip_for_localhost = str
scripts.main()
"""
START_S = 240.0
PATIENCE = {"RAY_gcs_rpc_server_reconnect_timeout_s": "600"}
"""How long a machine waits for its head; KubeRay sets it where there is a Redis, too."""

IN_THE_CLUSTER = """
import json, os, ray
from ray._private import ray_constants
ray_constants.ENABLE_RAY_CLUSTER = False  # as the cluster, on loopback
from ray.util import list_named_actors
ray.init(address=os.environ["CLUSTER"], log_to_driver=False, logging_level=40)
print(json.dumps(sorted(one["name"] for one in list_named_actors(all_namespaces=True))))
"""


APART = ("unshare", "--map-root-user", "--pid", "--fork", "--mount-proc", "--kill-child")


def require_apart() -> None:
    """Skips the test where no machine can be apart."""
    if subprocess.run([*APART, "true"], capture_output=True, check=False).returncode:
        pytest.skip("this machine gives nobody a namespace of process numbers (`unshare --pid`)")


@dataclass
class RayMachine:
    """What `ray start` has started, with everything below it."""

    process: subprocess.Popen[bytes]
    state: Path
    apart: bool = False

    @property
    def inside(self) -> list[str]:
        """What to put before a command so that it runs on this machine."""
        if not self.apart:
            return []
        (first,) = psutil.Process(self.process.pid).children()
        return [
            "nsenter",
            f"--target={first.pid}",
            "--user",
            "--pid",
            "--mount",
            "--preserve-credentials",
        ]

    @property
    def processes(self) -> list[psutil.Process]:
        """All that there are now."""
        with suppress(psutil.NoSuchProcess):
            own = psutil.Process(self.process.pid)
            return [own, *own.children(recursive=True)]
        return []

    def kill(self) -> None:
        """All at once, as a power failure does."""
        for process in self.processes:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        self.process.wait()


@dataclass
class RayMachines:
    """A cluster on loopback with a token of its own; `stop` ends what is left of it.

    With `redis` the head finds its state again when it is started once more.
    """

    folder: Path
    redis: Redis | None = None
    machines: dict[str, RayMachine] = field(default_factory=dict)

    def __post_init__(self) -> None:
        token = self.folder / "token"
        token.write_text(secrets.token_hex(32), encoding="ascii")
        # Names of sockets are short.
        self._sockets = Path(tempfile.mkdtemp(prefix="ray-"))
        self.port, self._client_port = free_ports(2)
        self.environment: Mapping[str, str] = {
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN_PATH": str(token),
            "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
            "RAY_USAGE_STATS_ENABLED": "0",
            "RAY_raylet_start_wait_time_s": "120",
            "PYTHONPATH": str(Path(__file__).parents[2]),
        }

    @property
    def address(self) -> str:
        """`HOST:PORT` of its control service."""
        return f"127.0.0.1:{self.port}"

    def start(
        self,
        name: str,
        cores: int,
        labels: Mapping[str, str] | None = None,
        *,
        apart: bool = False,
        core: int | None = None,
    ) -> RayMachine:
        """Starts a machine, the first one with the control service, and waits until it is there.

        With `core` all that it does is done on that core.
        """
        state = self.folder / f"state-{name}"
        where = [f"--address={self.address}"]
        environment = {**os.environ, **self.environment, **PATIENCE, NODE_STATE: str(state)}
        if name == next(iter(self.machines), name):
            where = ["--head", f"--port={self.port}", "--include-dashboard=false"]
            where += [f"--ray-client-server-port={self._client_port}"]
            where += [f"--temp-dir={self._sockets}"]
            if self.redis is not None:
                environment["RAY_REDIS_ADDRESS"] = self.redis.address
                where += [f"--redis-password={self.redis.password}"]
        command = [
            *(APART if apart else ()),
            *(() if core is None else ("taskset", "--cpu-list", str(core))),
            *(
                sys.executable,
                "-c",
                RAY_ON_LOOPBACK,
                "start",
                *where,
                "--node-ip-address=127.0.0.1",
                f"--num-cpus={cores}",
            ),
            *(f"--node-name={name}", "--object-store-memory=100000000", "--block"),
            *("--min-worker-port=0", "--max-worker-port=0"),
            *([f"--labels={','.join(f'{k}={v}' for k, v in labels.items())}"] if labels else []),
        ]
        said = self.folder / f"{name}-{len(self.machines)}-{time.monotonic_ns()}.txt"
        with said.open("w") as output:
            process = subprocess.Popen(
                command,
                env=environment,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        self.machines[name] = RayMachine(process, state, apart)
        deadline_s = time.monotonic() + START_S
        while "--block" not in (text := said.read_text()):
            assert process.poll() is None, text
            assert time.monotonic() < deadline_s, text
            time.sleep(0.2)
        return self.machines[name]

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

    def stop(self) -> None:
        """Ends all machines, the head last."""
        for machine in reversed(self.machines.values()):
            machine.kill()
        shutil.rmtree(self._sockets, ignore_errors=True)
