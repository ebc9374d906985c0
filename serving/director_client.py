"""How the control API asks the director: with a timeout, and every fault is an HTTP answer."""

from __future__ import annotations

import asyncio
from typing import Any

import ray
from fastapi import HTTPException
from ray.exceptions import RayError

from pipelines.delivery import Kept
from serving.capacity.budget import CapacityState
from serving.director import DIRECTOR, NAMESPACE, RefusedChange
from serving.rollout.rollouts import RolloutState
from serving.served_models import ServedModel
from serving.worker_state import WorkerState

ASK_TIMEOUT_S = 5.0
CHANGE_TIMEOUT_S = 300.0
NO_ANSWER = "the director does not answer; is the city running?"


async def ask_director(
    method: str,
    *arguments: object,
    timeout_s: float = ASK_TIMEOUT_S,
) -> Any:  # noqa: ANN401 - Ray does not type the methods of actors
    """What a method of the director answers.

    Raises:
        HTTPException: 503 where it does not.
    """
    try:
        director: Any = ray.get_actor(DIRECTOR, namespace=NAMESPACE)
        return await asyncio.wait_for(getattr(director, method).remote(*arguments), timeout_s)
    except (ValueError, RayError, TimeoutError):
        raise HTTPException(503, NO_ANSWER) from None


async def all_workers() -> list[WorkerState]:
    """All workers with their newest snapshots."""
    return list(await ask_director("workers"))


async def city_notes() -> dict[str, str]:
    """What is wrong with parts of the city that the director does not run, by part."""
    return dict(await ask_director("notes"))


async def city_keeps() -> tuple[Kept, ...]:
    """What no worker keeps alone, and how much it may be."""
    return tuple(await ask_director("kept"))


async def city_capacity() -> CapacityState | str:
    """How much of the machine the cameras need, or why that is not known."""
    capacity: CapacityState | str = await ask_director("capacity")
    return capacity


async def served_models() -> list[ServedModel]:
    """Every version that runs, with the thresholds in force."""
    return list(await ask_director("models"))


async def rollout_states() -> list[RolloutState]:
    """All rollout tables."""
    return list(await ask_director("rollouts"))


async def running_version(name: str, version: str | None) -> ServedModel:
    """A version of a model that runs; the stable one unless another is named.

    Raises:
        HTTPException: 404 where it does not run.
    """
    models = await served_models()
    mine = [model for model in models if model.ref.name == name]
    if not mine:
        known = ", ".join(sorted({model.ref.name for model in models}))
        raise HTTPException(404, f"there is no model {name!r}; in service: {known}")
    stable = {state.rollout.model: state.rollout.stable for state in await rollout_states()}
    asked = version or stable.get(name, mine[0].ref.version)
    for model in mine:
        if model.ref.version == asked:
            return model
    known = ", ".join(model.ref.version for model in mine)
    raise HTTPException(404, f"version {asked} of model {name!r} does not run; running: {known}")


async def change_versions(method: str, *arguments: object) -> RolloutState:
    """Has the director change versions.

    Raises:
        HTTPException: 409 with the reason where it refuses.
    """
    answer = await ask_director(method, *arguments, timeout_s=CHANGE_TIMEOUT_S)
    if isinstance(answer, RefusedChange):
        retry = {"Retry-After": "5"} if answer.busy else None
        raise HTTPException(409, answer.sentence, headers=retry)
    if not isinstance(answer, RolloutState):
        raise TypeError(f"the director answered {type(answer).__name__}")
    return answer
