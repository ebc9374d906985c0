"""The way to the replicas of a detector deployment, with nothing on it that has nothing to do.

Serve's handle passes every call to a thread of its own, whose router chooses a replica and first
lets the replica say whether it takes the call. With one replica there is nothing to choose, and
the replica holds back what exceeds `max_ongoing_requests` by itself. Such a call goes straight to
the replica that Serve names at that time; its start, health, replacement and end stay with Serve.
Every other call takes Serve's way: with several replicas, with none, and with one that was lost.
"""

from __future__ import annotations

import pickle
from dataclasses import dataclass
from typing import Any, Protocol

import ray
from ray.exceptions import ActorDiedError, ActorUnavailableError
from ray.serve._private import default_impl


class DetectorResponse(Protocol):
    """The future result of a call, as Serve's `DeploymentResponse` has it."""

    def result(self, *, timeout_s: float | None) -> Any:  # noqa: ANN401 - Ray does not type methods
        """Waits for the result.

        Raises:
            TimeoutError: There is none yet.
            RayError: The method failed, or the replica was lost.
            RayServeException: The deployment is gone.
        """
        ...

    def cancel(self) -> None:
        """Gives the call up."""
        ...


class DetectorHandle:
    """Calls the method `detect` of a deployment. Safe for use from several threads."""

    def __init__(self, handle: Any) -> None:  # noqa: ANN401
        """`handle` is Serve's initialised handle of the deployment, with arguments by reference."""
        self._detect = handle.options(method_name="detect")
        self._lost: Any = None

    def detect(self, *arguments: object) -> DetectorResponse:
        """Starts a call; arguments are as for `DetectorDeployment.detect`."""
        replica = self.only_replica()
        if replica is None:
            response: DetectorResponse = self._detect.remote(*arguments)
            return response
        module: Any = default_impl
        metadata = module.get_request_metadata(
            self._detect.init_options, self._detect.handle_options
        )
        # What Serve's own `ActorReplicaWrapper` does when a call cannot be rejected.
        reference = replica._actor_handle.handle_request.remote(pickle.dumps(metadata), *arguments)
        return _DirectResponse(reference, self, replica.replica_id)

    def only_replica(self) -> Any:  # noqa: ANN401
        """Serve's `RunningReplica` where there is exactly one and it has not been lost."""
        router = self._detect._router._asyncio_router._request_router
        # The router's thread changes this mapping; a copy of it has one length.
        replicas = tuple(router.curr_replicas.values()) if router is not None else ()
        if len(replicas) != 1 or replicas[0].replica_id == self._lost:
            return None
        return replicas[0]

    def lost(self, replica_id: object) -> None:
        """Has the router find out what became of a replica; its successor has another id."""
        self._lost = replica_id


@dataclass(frozen=True, slots=True)
class _DirectResponse:
    """See `DetectorResponse`."""

    reference: Any
    handle: DetectorHandle
    replica_id: Any

    def result(self, *, timeout_s: float | None) -> Any:  # noqa: ANN401
        try:
            return ray.get(self.reference, timeout=timeout_s)
        except (ActorDiedError, ActorUnavailableError):
            # Not sent again: a batch that ends a process would end the next one too.
            self.handle.lost(self.replica_id)
            raise

    def cancel(self) -> None:
        ray.cancel(self.reference)
