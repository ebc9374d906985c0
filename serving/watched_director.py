"""The director as the city sees it: asked, watched, and replaced when it died or is stuck.

Workers go on without a director; nobody replaces them, and nothing is known of them meanwhile.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from typing import Any, Final

import ray
from ray.exceptions import GetTimeoutError, RayActorError, RayError

from camera_adapters import RestartLimit
from pipelines import CameraPlan
from serving.actor import start_actor, wait_for
from serving.city_plan import CityPlan
from serving.control_service import ControlService
from serving.director import DIRECTOR, Director, RefusedChange
from serving.errors import DirectorError, DirectorLost, RolloutError, death_of, last_line
from serving.worker_actors import living_workers, stop_workers
from serving.worker_state import WorkerState

log = logging.getLogger(__name__)

START_TIMEOUT_S: Final = 120.0
SILENT_S: Final = 20.0
"""How long a director may be silent once it has answered."""

NAME_FREE_S: Final = 20.0
"""How long Ray may need to free the name of a director that has ended."""

MOST_RESTARTS: Final = 5
RESTARTS_WITHIN_S: Final = 600.0
THREADS: Final = 16
"""Calls of the control API may take minutes, and must not keep it from answering the city."""

STOP_MARGIN_S: Final = 45.0
CHANGE_TIMEOUT_S: Final = 300.0
REFUSAL_TIMEOUT_S: Final = 10.0


class WatchedDirector:
    """The director of one city. To be used by one thread, but for `apply`."""

    def __init__(self, plan: CityPlan, absent: Mapping[str, str], control: ControlService) -> None:
        """Starts it, and waits for its first answer.

        Nothing is replaced while `control` says that the control service of the cluster is away.

        Raises:
            DirectorError: It does not start.
        """
        self._plan = plan
        self._absent = absent
        self._control = control
        self._states: Sequence[WorkerState] = ()
        self._restarts = RestartLimit(MOST_RESTARTS, RESTARTS_WITHIN_S)
        self._begin(start_actor(Director, plan, absent, name=DIRECTOR, threads=THREADS))
        try:
            self._states = wait_for(self._actor.workers.remote(), START_TIMEOUT_S)
        except RayError as error:
            raise DirectorError(f"the director does not start: {last_line(error)}") from None
        self._silent_limit_s = SILENT_S

    def _begin(self, actor: Any) -> None:  # noqa: ANN401
        self._actor = actor
        self._question: object = None
        self._answered_s = time.monotonic()
        self._silent_limit_s = START_TIMEOUT_S

    def workers(self, timeout_s: float) -> Sequence[WorkerState]:
        """All workers with their newest snapshots.

        Raises:
            DirectorError: It does not answer; it is replaced by now if it died, or if it has not
                answered for too long.
            DirectorLost: Replacing it does not help.
        """
        if self._question is None:
            self._question = self._actor.workers.remote()
        try:
            states: Sequence[WorkerState] = wait_for(self._question, timeout_s)
        except RayActorError as error:
            self._check_control(f"the director died ({death_of(error)})")
            self._replace(f"died ({death_of(error)})")
            raise DirectorError("the director died; a new one takes over") from None
        except RayError as error:
            if not isinstance(error, GetTimeoutError):
                self._question = None
            now_s = time.monotonic()
            silent_s = now_s - self._answered_s
            text = f"the director has not answered for {silent_s:.0f} s"
            # It may have waited for the control service itself.
            if now_s - max(self._answered_s, self._control.back_s) <= self._silent_limit_s:
                raise DirectorError(text) from None
            self._check_control(text)
            self._replace(f"has not answered for {silent_s:.0f} s")
            raise DirectorError("the director is stuck; a new one takes over") from None
        self._question = None
        self._answered_s = time.monotonic()
        self._silent_limit_s = SILENT_S
        self._states = states
        return states

    def note(self, notes: Mapping[str, str]) -> None:
        """See `Director.note`; lost if the director is away."""
        self._actor.note.remote(notes)

    def apply(self, cameras: Sequence[CameraPlan]) -> Mapping[str, str]:
        """See `City.apply`; safe from any thread."""
        plan = self._plan.with_cameras(cameras)
        try:
            answer = wait_for(self._actor.apply.remote(plan), CHANGE_TIMEOUT_S)
        except RayError as error:
            raise DirectorError(f"the director does not answer ({type(error).__name__})") from None
        if isinstance(answer, RefusedChange):
            raise RolloutError(answer.sentence)
        # A director that takes over gets it too.
        self._plan = plan
        faults: Mapping[str, str] = answer
        return faults

    def refusal(self, cameras: Sequence[CameraPlan]) -> str:
        """See `City.refusal`; safe from any thread."""
        try:
            return str(wait_for(self._actor.refusal.remote(cameras), REFUSAL_TIMEOUT_S))
        except RayError as error:
            raise DirectorError(f"the director does not answer ({type(error).__name__})") from None

    def stop(self) -> Sequence[WorkerState]:
        """Stops all workers; without a director the city does that itself.

        Returns:
            How every worker stood at its end.

        Raises:
            DirectorError: They did not stop in time.
        """
        try:
            last: Sequence[WorkerState] = wait_for(
                self._actor.stop.remote(), self._plan.drain_s + STOP_MARGIN_S
            )
            return last
        except RayError as error:
            reason = type(error).__name__
            log.warning("director_stop_failed", extra={"reason": reason})
            living = {name: one.handle for name, one in living_workers().items()}
            ended = stop_workers(living, self._plan.drain_s)
            if len(ended) < len(living):
                raise DirectorError(
                    f"the director did not stop in time ({reason}); undelivered events stay in the "
                    "outbox and go out at the next start"
                ) from None
            return self._states
        finally:
            ray.kill(self._actor, no_restart=True)

    def _check_control(self, problem: str) -> None:
        if away := self._control.away:
            self._question = None
            raise DirectorError(f"{problem}; {away}")

    def _replace(self, reason: str) -> None:
        log.warning("director_replaced", extra={"reason": reason})
        now_s = time.monotonic()
        if not self._restarts.note(now_s):
            raise DirectorLost(
                f"the director was replaced {MOST_RESTARTS} times within "
                f"{RESTARTS_WITHIN_S / 60:.0f} minutes, the newest one {reason}; "
                f"{self._plan.delivery.state / 'director.log'} may say why"
            )
        ray.kill(self._actor, no_restart=True)
        restarts = {state.name: state.restarts for state in self._states}
        while True:
            try:
                actor = start_actor(
                    Director, self._plan, self._absent, restarts, name=DIRECTOR, threads=THREADS
                )
            except ValueError:
                if time.monotonic() - now_s > NAME_FREE_S:
                    raise DirectorLost("Ray does not end the director that is stuck") from None
                time.sleep(0.1)
            else:
                self._begin(actor)
                return
