"""Ray and Ray Serve for one city: a Ray of its own on this machine, or a cluster that it joins."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ray import serve
from ray.exceptions import RayError
from ray.serve.config import HTTPOptions
from ray.serve.schema import LoggingConfig

from serving.api import ApiAccess, announce_access
from serving.api.access import LONGEST_REQUEST_S
from serving.errors import ClusterError, first_line
from serving.joined_ray import JoinedRay
from serving.loopback import LOOPBACK
from serving.own_ray import OwnRay
from serving.ray_node import OWN_RAY, RayNode

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ClusterSettings:
    """Which Ray it is, where the control API listens, and who is let in.

    Without `access` nobody is: a control API does not start then, as models alone do not need it.

    Attributes:
        address: `local`, `auto` for the cluster whose node this machine is, or its `HOST:PORT`.
    """

    api_port: int
    api_host: str = LOOPBACK
    access: ApiAccess | None = None
    certificate: Path | None = None
    key: Path | None = None
    address: str = OWN_RAY


@contextmanager
def cluster(
    settings: ClusterSettings, on_step: Callable[[str], None] = log.info
) -> Iterator[RayNode]:
    """Ray and Serve for as long as the context lasts.

    `on_step` gets in a few words what is waited for.

    Raises:
        ClusterError: They did not start, or the cluster cannot be joined.
    """
    _prepare()
    announce_access(settings.access)
    own = settings.address == OWN_RAY
    node: RayNode = OwnRay() if own else JoinedRay(settings.address, settings.access, on_step)
    try:
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
    logging.getLogger("ray.serve").setLevel(logging.WARNING)


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
        raise ClusterError(f"Ray Serve did not start: {first_line(error)}") from error
