"""Starts Ray and Ray Serve on this machine, on loopback, and stops what it started."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import ray
from ray import serve
from ray.serve.config import HTTPOptions
from ray.serve.schema import LoggingConfig

from serving.director import NAMESPACE
from serving.errors import ClusterError
from serving.loopback import LOOPBACK, confine_ray

OBJECT_STORE_BYTES = 512 * 1024 * 1024
LOGICAL_CPUS_AT_LEAST = 8
"""Ray places by reservation; the small shares that we reserve must fit on a two-core machine."""


@dataclass(frozen=True, slots=True)
class ClusterSettings:
    """Where the control API of a one-machine cluster listens."""

    api_host: str = LOOPBACK
    api_port: int = 8500


@contextmanager
def cluster(settings: ClusterSettings) -> Iterator[None]:
    """Ray and Serve for as long as the context lasts.

    Raises:
        ClusterError: They did not start.
    """
    try:
        _start(settings)
    except (RuntimeError, ConnectionError, OSError) as error:
        ray.shutdown()
        raise ClusterError(
            f"Ray did not start ({str(error).strip().splitlines()[0]}); is another one running "
            "here, or /dev/shm full? `ray stop` ends a forgotten one"
        ) from error
    try:
        yield
    finally:
        # Ends every process of this Ray, Serve's among them.
        ray.shutdown()


def _start(settings: ClusterSettings) -> None:
    # Ray takes these from the environment alone, and hands them on to what it starts. Workers start
    # from this very virtual environment; under `uv run` Ray would rebuild it for each of them.
    os.environ["RAY_ENABLE_UV_RUN_RUNTIME_ENV"] = "0"  # noqa: TID251
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # noqa: TID251
    confine_ray()
    ray.init(
        address="local",
        namespace=NAMESPACE,
        num_cpus=max(LOGICAL_CPUS_AT_LEAST, os.cpu_count() or 1),
        object_store_memory=OBJECT_STORE_BYTES,
        include_dashboard=False,
        _node_ip_address=LOOPBACK,
        # What workers log goes to files of their own; this terminal shows what a person needs.
        log_to_driver=False,
        logging_level=logging.ERROR,
    )
    logging.getLogger("ray.serve").setLevel(logging.WARNING)
    serve.start(
        http_options=HTTPOptions(host=settings.api_host, port=settings.api_port),
        logging_config=LoggingConfig(log_level="WARNING", enable_access_log=False),
    )
