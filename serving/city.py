"""The city on Ray: brings up detectors, API and director in order, and takes them down again."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence

import ray
from ray import serve
from ray.exceptions import RayError
from ray.serve.api import RunTarget

from pipelines import CameraPlan
from serving.actor import start_actor, wait_for
from serving.api.control_api import build_api
from serving.city_plan import CityPlan
from serving.detectors import detector_service
from serving.director import DIRECTOR, Director, RefusedChange, WorkerState
from serving.errors import DirectorError, RolloutError, ServingError
from serving.launch import wait_until_running
from serving.placement import placed_plan

log = logging.getLogger(__name__)

API_APPLICATION = "control-api"
ASK_TIMEOUT_S = 10.0
START_TIMEOUT_S = 120.0
CHANGE_TIMEOUT_S = 300.0
STOP_MARGIN_S = 45.0


class City:
    """Everything of one `CityPlan` that runs on an already started cluster."""

    def __init__(self, plan: CityPlan, on_step: Callable[[str], None] = log.info) -> None:
        """Chooses how models run, waits until all of them do, then starts the cameras.

        `on_step` gets in a few words what is being done, for people who wait.

        Raises:
            ServingError: A model could not be served; the text names it.
        """
        self._plan = plan = placed_plan(plan, on_step)
        source = plan.versions.source if plan.versions else None
        self._detectors = detector_service(plan.detector)
        # It starts while the models do, and is waited for at the end.
        api = RunTarget(build_api(source, plan.detector), name=API_APPLICATION, route_prefix="/")
        serve.run_many([api], wait_for_applications_running=False)
        needed = [model for model in plan.models if plan.needs(model)]
        names = ", ".join(f"{model.ref.name} {model.ref.version}" for model in needed)
        on_step(f"loading models: {names}")
        self._detectors.deploy(needed)
        absent = self._join(on_step)
        on_step(f"starting {len(plan.cameras)} cameras")
        self._director = start_actor(Director, plan, absent, name=DIRECTOR)
        self._ask(START_TIMEOUT_S)
        wait_until_running({API_APPLICATION: "the control API"})

    def workers(self) -> Sequence[WorkerState]:
        """All workers with their newest snapshots.

        Raises:
            DirectorError: The director does not answer.
        """
        return self._ask(ASK_TIMEOUT_S)

    def apply(self, cameras: Sequence[CameraPlan]) -> Mapping[str, str]:
        """Takes other cameras while the city runs; safe from any thread.

        Returns:
            Why a camera is not as it is to be, by camera id or worker; empty if all are.

        Raises:
            RolloutError: Refused, as a model does not run or a rollout is under way.
            DirectorError: The director does not answer.
        """
        plan = self._plan.with_cameras(cameras)
        try:
            answer = wait_for(self._director.apply.remote(plan), CHANGE_TIMEOUT_S)
        except RayError as error:
            raise DirectorError(f"the director does not answer ({type(error).__name__})") from None
        if isinstance(answer, RefusedChange):
            raise RolloutError(answer.sentence)
        self._plan = plan
        faults: Mapping[str, str] = answer
        return faults

    def stop(self) -> Sequence[WorkerState]:
        """Stops cameras, drains outboxes, and says how every worker stood at its end.

        Raises:
            DirectorError: The director did not finish in time; outboxes keep what is left.
        """
        try:
            last: Sequence[WorkerState] = wait_for(
                self._director.stop.remote(), self._plan.drain_s + STOP_MARGIN_S
            )
        except RayError as error:
            raise DirectorError(
                f"the director did not stop in time ({type(error).__name__}); undelivered events "
                "stay in the outbox and go out at the next start"
            ) from None
        finally:
            ray.kill(self._director, no_restart=True)
        return last

    def _join(self, on_step: Callable[[str], None]) -> Mapping[str, str]:
        """Starts canaries and shadows; gives those that could not be, with the reason.

        The stable versions do their work without them, so the city starts all the same.
        """
        absent = dict(self._plan.absent)
        for model in self._plan.models:
            if self._plan.needs(model):
                continue
            on_step(f"loading model: {model.ref.name} {model.ref.version}")
            try:
                self._detectors.launch(model)
            except ServingError as error:
                log.warning("version_absent", extra={"model": model.ref.key, "reason": str(error)})
                on_step(f"{error}; the stable version is used instead")
                absent[model.ref.key] = str(error)
        return absent

    def _ask(self, timeout_s: float) -> Sequence[WorkerState]:
        try:
            answer: Sequence[WorkerState] = wait_for(self._director.workers.remote(), timeout_s)
        except RayError as error:
            raise DirectorError(f"the director does not answer ({type(error).__name__})") from None
        return answer
