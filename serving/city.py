"""The city on Ray: brings up detectors, API and director in order, and takes them down again."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

import ray
from ray import serve
from ray.exceptions import RayError

from serving.actor import start_actor, wait_for
from serving.app import build
from serving.city_plan import CityPlan, ServedModel
from serving.control_api import build_api
from serving.director import DIRECTOR, Director, WorkerState
from serving.errors import DirectorError, ServingError
from serving.serve_detector import application_name

log = logging.getLogger(__name__)

API_APPLICATION = "control-api"
ASK_TIMEOUT_S = 10.0
STOP_MARGIN_S = 45.0


class City:
    """Everything of one `CityPlan` that runs on an already started cluster."""

    def __init__(self, plan: CityPlan, on_step: Callable[[str], None] = log.info) -> None:
        """Deploys and waits until all models answer, then starts the cameras.

        Args:
            plan: What to run.
            on_step: Told in a few words what is being done, for people who wait.

        Raises:
            ServingError: A model could not be served; the text names it.
        """
        self._plan = plan
        for model in plan.models:
            on_step(f"loading model {model.ref.name} {model.ref.version}")
            deploy(model)
        on_step("starting the control API")
        serve.run(build_api(plan.models), name=API_APPLICATION, route_prefix="/")
        on_step(f"starting {len(plan.cameras)} cameras")
        self._director = start_actor(Director, plan, name=DIRECTOR)

    def workers(self) -> Sequence[WorkerState]:
        """All workers with their newest snapshots.

        Raises:
            DirectorError: The director does not answer.
        """
        try:
            answer: Sequence[WorkerState] = wait_for(self._director.workers.remote(), ASK_TIMEOUT_S)
        except RayError as error:
            raise DirectorError(f"the director does not answer ({type(error).__name__})") from None
        return answer

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


def deploy(model: ServedModel) -> None:
    """Serves a model version and waits until it answers.

    Raises:
        ServingError: It could not be served; the text names model, version and cause.
    """
    name = application_name(model.ref)
    try:
        serve.run(build(model.args), name=name, route_prefix=None)
    except (RuntimeError, RayError) as error:
        status = serve.status().applications.get(name)
        message = status.message if status and status.message else str(error)
        raise ServingError(
            f"model {model.ref.name} {model.ref.version} cannot be served: {_cause(message)}"
        ) from None


def _cause(message: str) -> str:
    """The line that carries the cause: the last non-empty one of a remote traceback."""
    lines = [line.strip() for line in message.splitlines() if line.strip()]
    return lines[-1] if lines else "no reason given"
