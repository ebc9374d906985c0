"""Starts Ray and Ray Serve on this machine, on loopback, and stops what it started."""

from __future__ import annotations

import logging
import os
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ray
from ray import serve
from ray._private import worker
from ray.exceptions import RayError
from ray.serve.config import HTTPOptions
from ray.serve.schema import LoggingConfig

from serving.api import ApiAccess, announce_access
from serving.api.access import LONGEST_REQUEST_S
from serving.director import NAMESPACE
from serving.errors import ClusterError
from serving.lean_ray import lean_start, use_lean_settings
from serving.loopback import LOOPBACK, confine_ray

log = logging.getLogger(__name__)

START_ATTEMPTS = 2
STOP_TIMEOUT_S = 10.0
OBJECT_STORE_BYTES = 512 * 1024 * 1024
LOGICAL_CPUS_AT_LEAST = 8
"""Ray places by reservation; the small shares that we reserve must fit on a two-core machine."""

NAMES: Mapping[str, str] = {"gcs_server": "control service (GCS)", "raylet": "raylet"}
"""What people call the kinds of processes of Ray."""


@dataclass(frozen=True, slots=True)
class ClusterSettings:
    """Where the control API of a one-machine cluster listens, and who is let in.

    Without `access` nobody is: a control API does not start then, as models alone do not need it.
    """

    api_port: int
    api_host: str = LOOPBACK
    access: ApiAccess | None = None
    certificate: Path | None = None
    key: Path | None = None


class RayNode:
    """The Ray of this machine, as started by this process."""

    def __init__(self) -> None:
        self._stopping = False

    def lost(self) -> str:
        """Which process of Ray has ended unasked, in a sentence; empty while none has.

        Ray does not start them again, and nothing works for long without them.
        """
        ended = _ended()
        return "" if self._stopping else ended

    def stop(self) -> None:
        """Ends every process of this Ray, Serve's among them, and sees them gone."""
        self._stopping = True
        _stop_ray(kill=bool(_ended()))


@contextmanager
def cluster(settings: ClusterSettings) -> Iterator[RayNode]:
    """Ray and Serve for as long as the context lasts.

    Raises:
        ClusterError: They did not start.
    """
    _prepare()
    node = RayNode()
    announce_access(settings.access)
    try:
        _start_ray()
        _start_serve(settings)
        yield node
    finally:
        node.stop()


def _prepare() -> None:
    # Ray takes these from the environment alone, and hands them on to what it starts. Workers start
    # from this very virtual environment; under `uv run` Ray would rebuild it for each of them.
    os.environ["RAY_ENABLE_UV_RUN_RUNTIME_ENV"] = "0"  # noqa: TID251
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # noqa: TID251
    # Ray runs its workers as background jobs (niceness 15); here they are what the machine is for.
    os.environ.setdefault("RAY_worker_niceness", "0")  # noqa: TID251
    use_lean_settings()
    confine_ray()
    logging.getLogger("ray.serve").setLevel(logging.WARNING)


def _start_ray() -> None:
    """Starts Ray, a second time where a busy machine exceeded the time that Ray allows itself."""
    for attempt in range(START_ATTEMPTS):
        try:
            with lean_start():
                ray.init(
                    address="local",
                    namespace=NAMESPACE,
                    num_cpus=max(LOGICAL_CPUS_AT_LEAST, os.cpu_count() or 1),
                    object_store_memory=OBJECT_STORE_BYTES,
                    include_dashboard=False,
                    _node_ip_address=LOOPBACK,
                    # What workers log goes to files; this terminal shows what a person needs.
                    log_to_driver=False,
                    logging_level=logging.ERROR,
                )
        except Exception as error:
            _stop_ray()
            if attempt + 1 < START_ATTEMPTS:
                log.warning("ray_start_failed", extra={"reason": _first_line(error)})
                continue
            raise ClusterError(
                f"Ray did not start: {_first_line(error)}; check free memory and /dev/shm, and "
                "end a forgotten Ray with `ray stop`"
            ) from error
        return


def _start_serve(settings: ClusterSettings) -> None:
    try:
        serve.start(
            http_options=HTTPOptions(
                host=settings.api_host,
                port=settings.api_port,
                # Without a limit, one for whom a stuck replica has no answer would wait for ever.
                request_timeout_s=LONGEST_REQUEST_S,
                ssl_certfile=str(settings.certificate) if settings.certificate else None,
                ssl_keyfile=str(settings.key) if settings.key else None,
            ),
            logging_config=LoggingConfig(log_level="WARNING", enable_access_log=False),
        )
    except (RuntimeError, RayError) as error:
        raise ClusterError(f"Ray Serve did not start: {_first_line(error)}") from error


def _stop_ray(*, kill: bool = False) -> None:
    """Sees every process of this Ray gone; what waits for a part that has ended must be killed."""
    started = [process for _, process in _processes()]
    if kill:
        for process in started:
            process.kill()
    else:
        ray.shutdown()
    for process in started:
        try:
            process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _ended() -> str:
    for kind, process in _processes():
        status = process.poll()
        if status is not None:
            return f"Ray's {NAMES.get(kind, kind)} ended with status {status}"
    return ""


def _processes() -> list[tuple[str, subprocess.Popen[bytes]]]:
    """What this process has started for Ray, by kind."""
    node: Any = worker._global_node
    kinds = node.all_processes.items() if node is not None else ()
    return [(kind, info.process) for kind, infos in kinds for info in infos]


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
