"""Ray actors behind two calls: start a plain class as an actor, and wait for what a method returns.

Ray's annotations do not describe the methods of an actor, so handles are `Any` from here on.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from serving.nodes import this_node

RESERVED_CPUS = 0.1
"""Share of a core that Ray reserves; the real limit is what cameras and models need."""

THREADS = 4
"""Calls that an actor answers at once; a stuck one must not hide the others."""


def start_actor(
    plain: type,
    *arguments: object,
    name: str | None = None,
    gpus: float = 0.0,
    threads: int = THREADS,
    outlives: bool = False,
    anywhere: bool = False,
    node: str = "",
) -> Any:  # noqa: ANN401
    """Starts `plain(*arguments)` as an actor; Ray itself never restarts it.

    Args:
        plain: A class.
        arguments: What its constructor gets.
        name: How others find it.
        gpus: Share of a GPU that Ray reserves.
        threads: Calls that it answers at once.
        outlives: Whether it lives on when the process that started it has ended.
        anywhere: Whether it may be on another machine of the cluster than this process.
        node: Ray's id of the machine that it is to be on; that of this process where it is empty.

    Raises:
        ValueError: Another actor has the name.
    """
    there = NodeAffinitySchedulingStrategy(node or this_node(), soft=False)
    options: dict[str, Any] = {
        "num_cpus": RESERVED_CPUS,
        "num_gpus": gpus,
        "max_concurrency": threads,
        "max_restarts": 0,
        "name": name,
        "lifetime": "detached" if outlives else None,
        "scheduling_strategy": "DEFAULT" if anywhere else there,
    }
    actor: Any = ray.remote(plain)
    return actor.options(**options).remote(*arguments)


def wait_for(answer: object, timeout_s: float) -> Any:  # noqa: ANN401
    """What a method call of an actor returned.

    Raises:
        ray.exceptions.RayError: The actor is gone, failed, or did not answer in time.
    """
    return ray.get(answer, timeout=timeout_s)  # type: ignore[call-overload]


def wait_for_some(answers: Sequence[object], timeout_s: float) -> Sequence[object]:
    """Those answers that have come by the time all have, or the time is over; errors count."""
    if not answers:
        return ()
    come, _ = ray.wait(list(answers), num_returns=len(answers), timeout=timeout_s)
    return come
