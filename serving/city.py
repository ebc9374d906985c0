"""The city on Ray: brings up detectors, API and director in order, and takes them down again."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence

from ray import serve
from ray.serve.api import RunTarget

from pipelines import CameraPlan
from serving.api.control_api import build_api
from serving.city_plan import CityPlan
from serving.control_service import ControlService
from serving.costing import costed_plan
from serving.detectors import detector_service
from serving.errors import DirectorError, ServingError
from serving.launch import wait_until_running
from serving.placement import placed_plan
from serving.precision_choice import with_fastest_precisions
from serving.watched_director import WatchedDirector
from serving.worker_state import WorkerState

log = logging.getLogger(__name__)

API_APPLICATION = "control-api"
ASK_TIMEOUT_S = 3.0


class City:
    """Everything of one `CityPlan` that runs on an already started cluster."""

    def __init__(self, plan: CityPlan, on_step: Callable[[str], None] = log.info) -> None:
        """Chooses how models run, waits until all of them do, then starts the cameras.

        `on_step` gets in a few words what is being done, for people who wait.

        Raises:
            ServingError: A model could not be served; the text names it.
        """
        fastest = with_fastest_precisions(plan, on_step)
        self._plan = plan = costed_plan(placed_plan(fastest, on_step), on_step)
        source = plan.versions.source if plan.versions else None
        self._detectors = detector_service(plan.detector)
        # It starts while the models do, and is waited for at the end.
        served = build_api(source, plan.detector, plan.delivery.keyframes)
        api = RunTarget(served, name=API_APPLICATION, route_prefix="/")
        serve.run_many([api], wait_for_applications_running=False)
        needed = [model for model in plan.models if plan.needs(model)]
        names = ", ".join(f"{model.ref.name} {model.ref.version}" for model in needed)
        on_step(f"loading models: {names}")
        self._detectors.deploy(needed)
        absent = self._join(on_step)
        on_step(f"starting {len(plan.cameras)} cameras")
        self._control = ControlService(plan.control_service)
        self._director = WatchedDirector(plan, absent, self._control)
        wait_until_running({API_APPLICATION: "the control API"})

    def workers(self) -> Sequence[WorkerState]:
        """All workers with their newest snapshots.

        To be called about once a second, as this is also the watch over the director: one that
        died or does not answer any more is replaced.

        Raises:
            DirectorError: The director does not answer.
            DirectorLost: Replacing it does not help.
        """
        return self._director.workers(ASK_TIMEOUT_S)

    @property
    def away(self) -> str:
        """That the control service of the cluster does not answer, and what that means."""
        return self._control.away

    def note(self, notes: Mapping[str, str]) -> None:
        """Has health name what is wrong with parts of the city that do not run on Ray, by part."""
        self._director.note(notes)

    def apply(self, cameras: Sequence[CameraPlan]) -> Mapping[str, str]:
        """Takes other cameras while the city runs; safe from any thread.

        Returns:
            Why a camera is not as it is to be, by camera id or worker; empty if all are.

        Raises:
            RolloutError: Refused, as a model does not run or a rollout is under way.
            DirectorError: The director does not answer.
        """
        return self._director.apply(cameras)

    def refusal(self, cameras: Sequence[CameraPlan]) -> str:
        """Why the machine has no room for other cameras, empty where it has; from any thread.

        Raises:
            DirectorError: The director does not answer.
        """
        return self._director.refusal(cameras)

    def stop(self) -> Sequence[WorkerState]:
        """Stops cameras, drains outboxes, and says how every worker stood at its end.

        Raises:
            DirectorError: They did not stop in time, or Ray can end nothing as its control service
                is away; outboxes keep what is left.
        """
        if away := self._control.away:
            raise DirectorError(
                f"{away}. Cameras are watched until the city is started again and stopped"
            )
        return self._director.stop()

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
