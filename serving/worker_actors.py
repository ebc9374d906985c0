"""Camera workers as Ray actors that outlive the director, and are found again by the next one.

The name of an actor holds the worker and the number of its start. Ray frees the name of an actor
that has died some time later, so the next start needs another one.
"""

from __future__ import annotations

import contextlib
import logging
import re
import time
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import ray
from ray.exceptions import RayError
from ray.util import list_named_actors

from serving.actor import start_actor, wait_for
from serving.camera_worker import CameraWorker, WorkerSnapshot
from serving.city_plan import WorkerPlan
from serving.gpu_shares import WorkerGpus
from serving.gpus import gpus_of

log = logging.getLogger(__name__)

STOP_MARGIN_S: Final = 20.0
"""How much longer than the drain of its outbox the end of a worker may take."""
_NAME: Final = re.compile(r"cityeye-worker:(?P<worker>.+):(?P<incarnation>\d+):(?P<node>\w+)")


class LivingWorker(NamedTuple):
    """A worker that was found: the number of its start, the node that it is on, and its handle."""

    incarnation: int
    node: str
    handle: Any


def start_worker(plan: WorkerPlan, gpus: WorkerGpus, node: str) -> Any:  # noqa: ANN401 - Ray types none
    """Starts the worker of a plan on the node of this id; it lives until it is ended, or Ray is."""
    share = gpus.reserved(gpus_of(node) if plan.decodes_on_gpu else 0.0)
    name = actor_name(plan.name, plan.incarnation, node)
    return start_actor(CameraWorker, plan, name=name, gpus=share, outlives=True, node=node)


def actor_name(worker: str, incarnation: int, node: str) -> str:
    """Under which name Ray has a start of a worker."""
    return f"cityeye-worker:{worker}:{incarnation}:{node}"


def living_workers() -> dict[str, LivingWorker]:
    """The workers that live, by name; the newest start where there are two, the other ends."""
    found: dict[str, LivingWorker] = {}
    for name in list_named_actors():
        match = _NAME.fullmatch(name)
        if match is None:
            continue
        # It may have died since.
        with contextlib.suppress(ValueError):
            mine = LivingWorker(int(match["incarnation"]), match["node"], ray.get_actor(name))
            other = found.get(match["worker"], mine)
            found[match["worker"]] = max(mine, other, key=lambda one: one.incarnation)
            if other is not mine:
                end_worker(min(mine, other, key=lambda one: one.incarnation).handle)
    return found


def end_worker(worker: Any) -> None:  # noqa: ANN401
    """Ends a worker at once, with all that it has not delivered still in its outbox."""
    if worker is not None:
        ray.kill(worker, no_restart=True)


def stop_workers(workers: Mapping[str, Any], drain_s: float) -> dict[str, WorkerSnapshot]:
    """Has workers end incidents and deliver what is left, then ends them.

    Returns:
        How they stood at their end, by name; without those that did not end in time.
    """
    stopping = {name: worker.stop.remote() for name, worker in workers.items()}
    deadline_s = time.monotonic() + drain_s + STOP_MARGIN_S
    last: dict[str, WorkerSnapshot] = {}
    for name, stopped in stopping.items():
        try:
            last[name] = wait_for(stopped, max(0.1, deadline_s - time.monotonic()))
        except RayError as error:
            reason = type(error).__name__
            log.warning("worker_stop_failed", extra={"worker": name, "reason": reason})
    for worker in workers.values():
        end_worker(worker)
    return last
