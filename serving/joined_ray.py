"""`JoinedRay`: a Ray cluster that others started, of which this machine is a node.

Cameras, their outboxes, the director and the control API stay on this machine, as they share the
state folder; detectors on Ray Serve go wherever the cluster has room or a GPU. One cluster carries
one city: names of actors and Serve's HTTP settings are there once. What a city that crashed has
left in the cluster is ended by the next one, and an orderly stop leaves nothing.
"""

from __future__ import annotations

import logging
import os
import re
import socket
import time
from collections.abc import Callable, Collection
from contextlib import suppress
from typing import Any, Final

import grpc
import ray
from ray import serve
from ray._private import services, worker
from ray.exceptions import RayError
from ray.util import list_named_actors

from pipelines.free_memory import with_heap_settings
from serving.api.access import ApiAccess, access_variables
from serving.city import API_APPLICATION
from serving.control_service import AWAY, RECONNECT, RECONNECT_S, status_of, token_headers
from serving.director import DIRECTOR, NAMESPACE
from serving.errors import ClusterError, first_line
from serving.exposure import ListenAddress, check_exposure, check_token_auth
from serving.lean_ray import RAY_VARIABLES, SERVE_VARIABLES
from serving.loopback import CONFINED, confine_ray, is_loopback_host
from serving.ray_node import JOINED_RAY
from serving.serve_detector import PREFIX
from serving.worker_actors import end_worker, living_workers

log = logging.getLogger(__name__)

CONNECT_TIMEOUT_S: Final = 10.0
LEFT_OVER_S: Final = 30.0
"""How long Ray may need to notice that a city that crashed has ended, and to end its director."""

SERVE_CONTROLLER: Final = "SERVE_CONTROLLER_ACTOR"
POLL_S: Final = 0.5
WAIT_S: Final = 5.0
REMEDY: Final = (
    "give this program and every node the same token, as RAY_AUTH_TOKEN or in the file that "
    "RAY_AUTH_TOKEN_PATH names"
)


class JoinedRay:
    """See `RayNode`."""

    def __init__(
        self, address: str, access: ApiAccess | None, on_step: Callable[[str], None]
    ) -> None:
        """Joins the cluster at `HOST:PORT`, or the one that `auto` finds on this machine.

        `on_step` gets in a few words what is waited for.

        Raises:
            ClusterError: It cannot be joined, or is not for this city; the text says why.
        """
        check_token_auth()
        address = the_ray_here() if address == JOINED_RAY else address
        self._on_loopback = is_loopback_host(address.rpartition(":")[0])
        if self._on_loopback:
            confine_ray()
        # Before Ray reads it; what the operator has set stays.
        os.environ.setdefault(RECONNECT, str(RECONNECT_S))  # noqa: TID251
        _wait_for_the_head(address, on_step)
        _check_reachable(address)
        self.control_service = address
        _connect(address, _variables(access, on_loopback=self._on_loopback))
        node: Any = worker._global_node
        self._raylet = str(node.raylet_socket_name)
        self._stopping = False
        try:
            _end_left_over(address)
        except BaseException:
            ray.shutdown()
            raise

    def lost(self) -> str:
        """See `RayNode`. A control service that is away may come back, a raylet does not."""
        if self._stopping or self._answers():
            return ""
        return "Ray's raylet on this machine, which joins it to the cluster, has ended"

    def check_exposure(self, allowed: Collection[ListenAddress]) -> None:
        """See `RayNode`; a cluster of several machines listens where its operator wants it to."""
        if self._on_loopback:
            check_exposure(allowed)

    def stop(self) -> None:
        """Ends Serve with its applications, and workers that are left; the cluster stays."""
        self._stopping = True
        if status_of(self.control_service, {}, CONNECT_TIMEOUT_S) in AWAY:
            return  # Ray would wait for it; the end of this process ends what it has.
        if self._answers():
            with suppress(RayError, RuntimeError):
                for left in living_workers().values():
                    end_worker(left.handle)
                serve.shutdown()  # type: ignore[no-untyped-call]
        ray.shutdown()

    def _answers(self) -> bool:
        with socket.socket(socket.AF_UNIX) as connection:
            try:
                connection.connect(self._raylet)
            except OSError:
                return False
        return True


def the_ray_here() -> str:
    """`HOST:PORT` of the control service of the Ray that runs on this machine.

    Raises:
        ClusterError: There is none, or more than one.
    """
    found: list[str] = sorted(services.find_gcs_addresses())  # type: ignore[no-untyped-call]
    if not found:
        raise ClusterError(
            "no Ray runs on this machine; join it to the cluster with "
            "`ray start --address=HOST:PORT`, or leave `ray:` out for a Ray of the city's own"
        )
    if len(found) > 1:
        raise ClusterError(
            f"more than one Ray runs on this machine ({', '.join(found)}); name one as "
            "`ray: {address: HOST:PORT}`"
        )
    return found[0]


def _check_reachable(address: str) -> None:
    """Asks the control service for a sign of life, first without the token and then with it.

    Ray itself waits for most of a minute, says of a wrong token that nobody answers, and joins a
    cluster that lets everybody in.
    """
    code = status_of(address, {}, CONNECT_TIMEOUT_S)
    if code is grpc.StatusCode.OK:
        raise ClusterError(
            f"the Ray cluster at {address} lets everybody in; start all its nodes with "
            f"RAY_AUTH_MODE=token, and {REMEDY}"
        )
    if code is not grpc.StatusCode.UNAUTHENTICATED:
        raise ClusterError(
            f"no Ray cluster answers at {address} ({code.name.lower()}); check the address, "
            "and that its control service (GCS) runs and can be reached from this machine"
        )
    code = status_of(address, token_headers(), CONNECT_TIMEOUT_S)
    if code is grpc.StatusCode.UNAUTHENTICATED:
        raise ClusterError(
            f"the Ray cluster at {address} refuses the token of this program; {REMEDY}"
        )


def _wait_for_the_head(address: str, on_step: Callable[[str], None]) -> None:
    """Waits for a control service that is away, for as long as the raylet of this machine does.

    Without one of the cluster on this machine there is nothing to wait for.
    """
    said = False
    while status_of(address, {}, CONNECT_TIMEOUT_S) in AWAY and _raylet_waits(address):
        if not said:
            said = True
            on_step(
                f"the control service (GCS) of the Ray cluster at {address} does not answer, but "
                "a raylet of this machine waits for it; waiting, too"
            )
        time.sleep(WAIT_S)


def _raylet_waits(address: str) -> bool:
    find: Any = services.find_gcs_addresses
    find.cache_clear()
    return address in find()


def _connect(address: str, variables: dict[str, str]) -> None:
    try:
        ray.init(
            address=address,
            namespace=NAMESPACE,
            runtime_env={"env_vars": variables},
            log_to_driver=False,
            logging_level=logging.ERROR,
        )
    except Exception as error:
        ray.shutdown()
        raise ClusterError(_why_not(address, error)) from error


def _why_not(address: str, error: Exception) -> str:
    """What people can do about an error of `ray.init`, which tells most of it in paragraphs."""
    text = str(error)
    if "ersion mismatch" in text:
        found = re.findall(r"Ray: ([\w.]+)\s+Python: ([\w.]+)", text)
        versions = [f"Ray {version} on Python {python}" for version, python in found]
        told = f" ({' and here '.join(versions)})" if versions else ""
        return (
            f"the Ray cluster at {address} runs another version{told}; "
            "run all nodes and this program from one image"
        )
    if "raylet" in text.lower() or "node ip" in text.lower() or "ip address" in text.lower():
        return (
            f"this machine is no node of the Ray cluster at {address}; join it with "
            f"`ray start --address={address}` ({first_line(error)})"
        )
    return f"the Ray cluster at {address} cannot be joined: {first_line(error)}"


def _variables(access: ApiAccess | None, *, on_loopback: bool) -> dict[str, str]:
    """What the city's processes in the cluster need to know and do not inherit."""
    confined = {CONFINED: "1"} if on_loopback else {}
    waits = {RECONNECT: os.environ[RECONNECT]}  # noqa: TID251
    return with_heap_settings(
        {**RAY_VARIABLES, **SERVE_VARIABLES, **access_variables(access), **confined, **waits}
    )


def _end_left_over(address: str) -> None:
    """Makes room: a city that lives or a foreign application is refused, a crashed city's is ended.

    Camera workers of a crashed city go on until the director replaces them.
    """
    if not _holds_within(LEFT_OVER_S, lambda: DIRECTOR not in list_named_actors()):
        raise ClusterError(
            f"another city runs in the Ray cluster at {address}; stop it, or give this one "
            "a cluster of its own"
        )
    if not _serve_runs():
        return
    names = sorted(serve.status().applications)
    foreign = [one for one in names if not one.startswith(PREFIX) and one != API_APPLICATION]
    if foreign:
        raise ClusterError(
            f"Ray Serve in the cluster at {address} runs {', '.join(foreign)}, which is not of a "
            "city; a city needs the cluster's Ray Serve for itself"
        )
    log.warning("left_over_ended", extra={"applications": ", ".join(names)})
    serve.shutdown()  # type: ignore[no-untyped-call]


def _serve_runs() -> bool:
    return any(one["name"] == SERVE_CONTROLLER for one in list_named_actors(all_namespaces=True))


def _holds_within(limit_s: float, holds: Callable[[], bool]) -> bool:
    deadline_s = time.monotonic() + limit_s
    while not holds():
        if time.monotonic() > deadline_s:
            return False
        time.sleep(POLL_S)
    return True
