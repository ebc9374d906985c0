"""The director: assigns cameras to workers, watches their heartbeats, replaces what hangs.

Liveness is judged by the worker's loop coming round, not by its process being there. A replaced
worker gets the same share and the same outbox file, so nothing that was promised is lost.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import ray
from ray.exceptions import GetTimeoutError, RayActorError, RayTaskError

from serving.actor import start_actor, wait_for
from serving.camera_worker import CameraWorker, WorkerSnapshot
from serving.city_plan import CityPlan, WorkerPlan, shares

log = logging.getLogger(__name__)

DIRECTOR = "cityeye-director"
NAMESPACE = "cityeye"
CHECK_EVERY_S = 1.0
SNAPSHOT_TIMEOUT_S = 3.0
START_GRACE_S = 180.0
SILENT_AFTER_S = 15.0
STOP_MARGIN_S = 20.0
HANG_AFTER_S = 60.0
RESTART_BACKOFF_S = (0.0, 1.0, 2.0, 4.0, 8.0, 15.0)


@dataclass(frozen=True, slots=True)
class WorkerState:
    """A worker as the director sees it.

    Attributes:
        snapshot: Its newest answer, None before the first one.
        restarts: How often it was replaced.
        alive: Whether it answered the newest check.
    """

    name: str
    snapshot: WorkerSnapshot | None
    restarts: int
    alive: bool


class _Post:
    """A share of cameras and the worker that holds it at present."""

    def __init__(self, plan: WorkerPlan) -> None:
        self.plan = plan
        self.restarts = 0
        self.snapshot: WorkerSnapshot | None = None
        self.alive = False
        self.next_start_s = 0.0
        self.worker: Any = None
        self.start()

    def start(self) -> None:
        """Starts a worker over this share's outbox."""
        self.started_s = self.answered_s = time.monotonic()
        self.worker = start_actor(CameraWorker, self.plan)

    def check(self) -> str:
        """Asks the worker how it is; returns why it must be replaced, empty if it need not."""
        if self.worker is None:
            return ""
        now_s = time.monotonic()
        try:
            snapshot: WorkerSnapshot = wait_for(self.worker.snapshot.remote(), SNAPSHOT_TIMEOUT_S)
        except GetTimeoutError:
            self.alive = False
            first = self.answered_s == self.started_s
            silent_s = now_s - self.answered_s
            return (
                "does not answer" if silent_s > (START_GRACE_S if first else SILENT_AFTER_S) else ""
            )
        except (RayActorError, RayTaskError) as error:
            self.alive = False
            return f"died: {str(error).strip().splitlines()[-1].strip()}"
        self.snapshot = snapshot
        self.answered_s = time.monotonic()
        self.alive = True
        if not snapshot.running:
            return f"its frame loop ended: {snapshot.fault or 'no reason given'}"
        if snapshot.group.beat_s > HANG_AFTER_S:
            return f"its frame loop hangs for {snapshot.group.beat_s:.0f} s"
        return ""

    def replace(self, reason: str) -> None:
        """Ends the worker for good; a new one comes after a back-off."""
        log.warning("worker_replaced", extra={"worker": self.plan.name, "reason": reason})
        if self.worker is not None:
            ray.kill(self.worker, no_restart=True)
            self.worker = None
            wait_s = RESTART_BACKOFF_S[min(self.restarts, len(RESTART_BACKOFF_S) - 1)]
            self.next_start_s = time.monotonic() + wait_s
            self.restarts += 1

    @property
    def due(self) -> bool:
        """Whether a new worker shall be started now."""
        return self.worker is None and time.monotonic() >= self.next_start_s


class Director:
    """Runs as one named Ray actor with a few threads."""

    def __init__(self, plan: CityPlan) -> None:
        """Starts a worker per group of cameras and begins to watch them."""
        plan.delivery.state.mkdir(parents=True, exist_ok=True)
        plan.log_to(plan.delivery.state / "director.log")
        self._plan = plan
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._posts = [_Post(share) for share in shares(plan)]
        self._watch = threading.Thread(target=self._supervise, name="director", daemon=True)
        self._watch.start()

    def workers(self) -> Sequence[WorkerState]:
        """All workers with their newest snapshots."""
        return [
            WorkerState(post.plan.name, post.snapshot, post.restarts, post.alive)
            for post in self._posts
        ]

    def stop(self) -> Sequence[WorkerState]:
        """Stops every worker, waits for their outboxes to drain, and says how they stand."""
        self._stopping.set()
        self._watch.join()
        with self._lock:
            live = [(post, post.worker) for post in self._posts if post.worker is not None]
            goodbyes = [(post, worker.stop.remote()) for post, worker in live]
            deadline_s = time.monotonic() + self._plan.drain_s + STOP_MARGIN_S
            for post, goodbye in goodbyes:
                try:
                    left_s = max(0.1, deadline_s - time.monotonic())
                    post.snapshot = wait_for(goodbye, left_s)
                except (GetTimeoutError, RayActorError, RayTaskError) as error:
                    log.warning(
                        "worker_stop_failed",
                        extra={"worker": post.plan.name, "reason": type(error).__name__},
                    )
            for _, worker in live:
                ray.kill(worker, no_restart=True)
        return self.workers()

    def _supervise(self) -> None:
        while not self._stopping.wait(CHECK_EVERY_S):
            with self._lock:
                for post in self._posts:
                    if post.due:
                        post.start()
                        continue
                    reason = post.check()
                    if reason:
                        post.replace(reason)
