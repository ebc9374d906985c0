"""`OwnRay`: a Ray of this machine alone, on loopback, that starts and ends with the city."""

from __future__ import annotations

import logging
import os
import subprocess
from collections.abc import Collection, Mapping
from typing import Any

import ray
from ray._private import worker

from serving.director import NAMESPACE
from serving.errors import ClusterError, first_line
from serving.exposure import ListenAddress, check_exposure
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


class OwnRay:
    """See `RayNode`."""

    def __init__(self) -> None:
        """Starts it.

        Raises:
            ClusterError: It did not start.
        """
        self.control_service = ""
        self._stopping = False
        use_lean_settings()
        confine_ray()
        _start_ray()

    def lost(self) -> str:
        """See `RayNode`; Ray does not start its processes again, and none can be missed."""
        ended = _ended()
        return "" if self._stopping else ended

    def check_exposure(self, allowed: Collection[ListenAddress]) -> None:
        """See `RayNode`."""
        check_exposure(allowed)

    def stop(self) -> None:
        """Ends every process of this Ray, Serve's among them, and sees them gone."""
        self._stopping = True
        _stop_ray(kill=bool(_ended()))


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
                log.warning("ray_start_failed", extra={"reason": first_line(error)})
                continue
            raise ClusterError(
                f"Ray did not start: {first_line(error)}; check free memory and /dev/shm, and "
                "end a forgotten Ray with `ray stop`"
            ) from error
        return


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
